// What luas.hpp gives, in one program: it says ok, or at which line it is not.
#include <luas.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#define CHECK(what) ((what) ? void() : (std::printf("line %d: %s\n", __LINE__, #what), std::exit(1)))

static const char functions[] =
    "function echo(...) return ... end function fail() error {code = 5} end\n"
    "function sum(t) local n = 0 for _, x in ipairs(t.list) do n = n + x end return n, t.name end\n"
    "function table_of(n) return {n = n, inner = {1, 2.5, 'x'}} end function half(x) return x / 2 end";

static luas::pool open(int workers)
{
    luas::options o;
    o.source = functions;
    o.script = "=functions";
    o.workers = workers;
    return luas::pool(o); // which moves it
}

static luas::outcome await(luas::pool &pool)
{
    luas::outcome o;
    int rc;
    while ((rc = pool.next(o)) == 0)
        CHECK(pool.wait(20) == 1);
    CHECK(rc == 1);
    return o;
}

static void test_values(luas::pool &pool)
{
    std::string text("a\0b", 3);
    CHECK(pool.submit("echo", nullptr, true, 7, -1L, std::uint8_t(200), 1.5f, "text", text) == 0);
    luas::outcome o = await(pool);
    CHECK(o.ok() && o.count == 8 && o.values().size() == 8);
    CHECK(o.result(0).is_nil() && !o.result(0).truth() && o.result(1).truth());
    CHECK(o.result(2).integer() == 7 && o.result(3).integer() == -1 && o.result(4).integer() == 200);
    CHECK(o.result(5).number() == 1.5 && std::strcmp(o.result(6).c_str(), "text") == 0);
    CHECK(o.result(7).len == 3 && o.result(8).is_nil() && o.result(-1).is_nil());
    int n = 0;
    for (luas::value v : o.values())
        n += v.is_string();
    CHECK(n == 2);
#if __cplusplus >= 201703L
    CHECK(o.result(7).text() == std::string_view(text) && o.result(2).text().empty());
    CHECK(pool.submit("echo", std::string_view("view")) == 0 && await(pool).result().text() == "view");
#endif
    CHECK(pool.submit("echo") == 0 && await(pool).count == 0);
}

static void test_tables(luas::pool &pool)
{
    luas::writer w;
    luas::value v;
    CHECK(w.map().add("list").array().add(1).add(2.5).end().add("name", "it").end().finish(v) == 0);
    luas::writer moved(std::move(w));
    CHECK(pool.submit("sum", v) == 0);
    luas::outcome o = await(pool);
    CHECK(o.ok() && o.result().number() == 3.5 && std::strcmp(o.result(1).c_str(), "it") == 0);
    CHECK(w.add(1).finish(v) == LUAS_ENOMEM); // nothing is left in it
    CHECK(pool.submit("table_of", 3) == 0);
    o = await(pool);
    luas::reader r(o.result());
    CHECK(r && r.size() == 2 && r.find("n", v) == 1 && v.integer() == 3);
    luas::reader s(std::move(r));
    CHECK(s.find("inner", v) == 1 && v.is_table() && s.enter() == 0 && s.size() == 3);
    luas::value key;
    CHECK(s.next(key, v) == 1 && key.integer() == 1 && v.integer() == 1 && s.next(v) == 1 && v.number() == 2.5);
    CHECK(s.next(v) == 1 && v.is_string() && s.next(v) == 0 && s.leave() == 0);
    luas::reader none(luas::value(1));
    CHECK(!none && none.code() == LUAS_EINVAL && none.next(v) == LUAS_EINVAL && none.size() == 0);
}

struct adder {
    double sum;
    void operator()(const luas_outcome &o) { sum += luas::value(o.results[0]).number(); }
};

static void test_many(luas::pool &pool)
{
    std::vector<luas_value> inputs;
    for (int i = 0; i < 100; i++)
        inputs.push_back(luas::value(i));
    luas::call half("half");
    std::uint64_t first = 0;
    adder add = {0};
    luas::outcome o;
    pool.on_outcome(add);
#if __cplusplus >= 202002L
    CHECK(pool.map(half, inputs, &first) == 0);
#else
    CHECK(pool.map(half, luas::values(inputs.data(), inputs.size()), &first) == 0);
#endif
    CHECK(first > 0 && pool.pending() == 100);
    while (pool.pending() > 0) {
        CHECK(pool.next(o) == 0);
        CHECK(pool.pending() == 0 || pool.wait(20) == 1);
    }
    CHECK(add.sum == 99 * 100 / 4.0);
    pool.on_outcome(nullptr);
}

static void test_the_pool_itself(luas::pool &pool)
{
    luas_figures f;
    CHECK(pool.fd() >= 0 && pool.resize(1) == 0 && pool.trim() >= 0 && pool.stats(f) == 0 && f.values > 0);
    luas::options o;
    o.source = "function version() return 2 end";
    CHECK(pool.reload(o) == 0 && pool.submit(luas::call("version")) == 0 && await(pool).result().integer() == 2);
    CHECK(pool.cancel(123456) == LUAS_ENOCALL && *pool.why() == '\0');
    CHECK(pool.drain(10) == 1 && pool.submit("version") == LUAS_ECLOSED);
}

int main()
{
    static_assert(!std::is_copy_constructible<luas::pool>::value && std::is_nothrow_move_constructible<luas::pool>::value, "");
    static_assert(!std::is_copy_constructible<luas::writer>::value && !std::is_copy_constructible<luas::reader>::value, "");
    luas::pool pool = open(2);
    CHECK(pool && pool.code() == 0);
    test_values(pool);
    test_tables(pool);
    luas::pool other = open(1);
    test_many(other);
    pool = std::move(other); // closes the first
    CHECK(!other && pool);
    test_the_pool_itself(pool);
    luas::options o;
    o.source = "function";
    luas::pool none(o);
    CHECK(!none && none.code() == LUAS_ESCRIPT && *none.why() != '\0');
    std::puts("ok");
}
