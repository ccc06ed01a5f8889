/*
 * luas.h for C++, from C++11 on. Objects own what luas.h opens, and close it; they can be moved, and
 * not copied. Nothing here throws: what can fail returns the codes of luas.h, and an object whose
 * opening has failed is false. A function that is given outcomes or lines must not throw.
 *
 *   luas::options options;
 *   options.script = "jobs.lua";
 *   luas::pool pool(options);
 *   if (!pool || pool.submit("area", 3, 4.5) < 0) ...
 *   luas::outcome outcome;
 *   while (pool.next(outcome) > 0)
 *       for (luas::value v : outcome.values()) ...
 */
#ifndef LUAS_HPP
#define LUAS_HPP

#include <luas.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#if __cplusplus >= 201703L
#include <string_view>
#endif
#if __cplusplus >= 202002L
#include <span>
#endif

namespace luas {

/* An argument or a result. Of a string it has no copy. */
struct value : luas_value {
    value() noexcept : luas_value(luas_nil()) {}
    value(const luas_value &v) noexcept : luas_value(v) {}
    value(std::nullptr_t) noexcept : luas_value(luas_nil()) {}
    value(bool b) noexcept : luas_value(luas_boolean(b)) {}
    template <class T, typename std::enable_if<std::is_integral<T>::value && !std::is_same<T, bool>::value, int>::type = 0>
    value(T i) noexcept : luas_value(luas_integer(static_cast<std::int64_t>(i))) {}
    template <class T, typename std::enable_if<std::is_floating_point<T>::value, int>::type = 0>
    value(T n) noexcept : luas_value(luas_number(static_cast<double>(n))) {}
    value(const char *s) noexcept : luas_value(s != nullptr ? luas_string(s) : luas_nil()) {}
    value(const std::string &s) noexcept : luas_value(luas_bytes(s.data(), s.size())) {}
#if __cplusplus >= 201703L
    value(std::string_view s) noexcept : luas_value(luas_bytes(s.data(), s.size())) {}
    std::string_view text() const noexcept { return is_string() ? std::string_view(bytes, len) : std::string_view(); }
#endif
    bool is_nil() const noexcept { return type == LUAS_NIL; }
    bool is_string() const noexcept { return type == LUAS_STRING; }
    bool is_table() const noexcept { return type == LUAS_OTHER; }
    /* What is not of the type is 0 or "". */
    std::int64_t integer() const noexcept { return type == LUAS_INTEGER ? as.integer : 0; }
    double number() const noexcept
    {
        return type == LUAS_NUMBER ? as.number : static_cast<double>(integer());
    }
    bool truth() const noexcept { return type != LUAS_NIL && (type != LUAS_BOOLEAN || as.boolean != 0); }
    const char *c_str() const noexcept { return is_string() ? bytes : ""; }
};
static_assert(sizeof(value) == sizeof(luas_value), "arrays of them are arrays of luas_values");

/* All zero, that is: as luas.h says of each field. */
struct options : luas_options {
    options() noexcept : luas_options() {}
};
struct call : luas_call {
    explicit call(const char *function) noexcept : luas_call() { name = function; }
};

#if __cplusplus >= 202002L
using values = std::span<const luas_value>;
#else
class values {
public:
    values(const luas_value *first, std::size_t n) noexcept : first_(first), n_(n) {}
    const luas_value *begin() const noexcept { return first_; }
    const luas_value *end() const noexcept { return first_ + n_; }
    const luas_value *data() const noexcept { return first_; }
    std::size_t size() const noexcept { return n_; }
    bool empty() const noexcept { return n_ == 0; }
    const luas_value &operator[](std::size_t i) const noexcept { return first_[i]; }

private:
    const luas_value *first_;
    std::size_t n_;
};
#endif

/* Valid until the next call on its pool. */
struct outcome : luas_outcome {
    outcome() noexcept : luas_outcome() {}
    bool ok() const noexcept { return kind == LUAS_VALUE; }
    luas::values values() const noexcept { return {results, static_cast<std::size_t>(count)}; }
    value result(int i = 0) const noexcept { return i >= 0 && i < count ? value(results[i]) : value(); }
};

template <class T, void close(T *)> struct closer {
    void operator()(T *t) const noexcept { close(t); }
};
template <class T, void close(T *)> using owner = std::unique_ptr<T, closer<T, close>>;

/* Makes tables: see luas_writer. */
class writer {
public:
    writer() noexcept : w_(luas_writer_new()) {}
    writer &array() noexcept { return luas_writer_array(w_.get()), *this; }
    writer &map() noexcept { return luas_writer_map(w_.get()), *this; }
    writer &add(const value &v) noexcept { return luas_writer_add(w_.get(), v), *this; }
    writer &add(const value &key, const value &v) noexcept { return add(key).add(v); }
    writer &end() noexcept { return luas_writer_end(w_.get()), *this; }
    int finish(value &v) noexcept { return luas_writer_value(w_.get(), &v); }

private:
    owner<luas_writer, luas_writer_free> w_;
};

/* Reads a table: see luas_reader. It is false, with a code, where there is none. */
class reader {
public:
    explicit reader(const luas_value &table) noexcept
    {
        luas_reader *r;
        code_ = luas_reader_open(&r, &table);
        r_.reset(r);
    }
    explicit operator bool() const noexcept { return r_ != nullptr; }
    int code() const noexcept { return code_; }
    std::uint32_t size() const noexcept { return r_ ? luas_reader_count(r_.get()) : 0; }
    int next(value &v) noexcept { return r_ ? luas_reader_next(r_.get(), nullptr, &v) : code_; }
    int next(value &key, value &v) noexcept { return r_ ? luas_reader_next(r_.get(), &key, &v) : code_; }
    int find(const char *name, value &v) noexcept { return r_ ? luas_reader_find(r_.get(), name, &v) : code_; }
    int enter() noexcept { return r_ ? luas_reader_enter(r_.get()) : code_; }
    int leave() noexcept { return r_ ? luas_reader_leave(r_.get()) : code_; }

private:
    owner<luas_reader, luas_reader_close> r_;
    int code_;
};

/* A pool: see luas_pool_open. It is false where that has failed: `code` and `why` tell. Nothing but
   these may be called then, nor of one that was moved from. */
class pool {
public:
    explicit pool(const luas_options &o) noexcept
    {
        luas_pool *p;
        code_ = luas_pool_open(&p, &o);
        p_.reset(p);
    }
    explicit operator bool() const noexcept { return p_ != nullptr; }
    luas_pool *get() const noexcept { return p_.get(); }
    int code() const noexcept { return code_; }
    const char *why() const noexcept { return p_ ? luas_pool_why(p_.get()) : luas_strerror(code_); }

    template <class... A> int submit(const char *name, const A &...arguments) noexcept
    {
        const luas_value list[] = {value(arguments)..., luas_nil()};
        return luas_submit(p_.get(), name, static_cast<int>(sizeof...(A)), list, nullptr);
    }
    int submit(const luas_call &c, std::uint64_t *number = nullptr) noexcept
    {
        return luas_submit_call(p_.get(), &c, number);
    }
    int map(const luas_call &c, values inputs, std::uint64_t *first = nullptr) noexcept
    {
        return luas_map(p_.get(), &c, inputs.size(), inputs.data(), first);
    }
    int next(luas_outcome &o) noexcept { return luas_next(p_.get(), &o); }

    /* f(const luas_outcome &) gets outcomes, inside of next. It must live as long as it is needed. */
    template <class F> void on_outcome(F &f) noexcept { luas_on_outcome(p_.get(), give<F>, &f); }
    void on_outcome(std::nullptr_t) noexcept { luas_on_outcome(p_.get(), nullptr, nullptr); }
    int wait(double seconds) noexcept { return luas_wait(p_.get(), seconds); }
    int cancel(std::uint64_t call) noexcept { return luas_cancel(p_.get(), call); }
    int resize(int workers) noexcept { return luas_resize(p_.get(), workers); }
    int trim() noexcept { return luas_pool_trim(p_.get()); }
    int reload(const luas_options &o) noexcept { return luas_reload(p_.get(), &o); }
    int drain(double seconds) noexcept { return luas_drain(p_.get(), seconds); }
    int stats(luas_figures &f) noexcept { return luas_stats(p_.get(), &f); }
    int fd() const noexcept { return luas_pool_fd(p_.get()); }
    std::uint64_t pending() const noexcept { return luas_pending(p_.get()); }

private:
    template <class F> static void give(void *f, const luas_outcome *o) noexcept { (*static_cast<F *>(f))(*o); }

    owner<luas_pool, luas_pool_close> p_;
    int code_;
};

} // namespace luas

#endif
