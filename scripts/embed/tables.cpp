// C++: tables there and back, by luas.hpp. Build: c++ tables.cpp $(pkg-config --cflags --libs luas)
#include <cstdio>
#include <luas.hpp>

static const char script[] = "function order(o) local sum = 0 for _, item in ipairs(o.items) do sum = sum + item.price end\n"
                             "return {name = o.name, sum = sum} end";

static luas::value write_order(luas::writer &w, const char *name, double price)
{
    luas::value order;
    w.map().add("name", name).add("items").array();
    w.map().add("price", price).end().map().add("price", 2 * price).end();
    return w.end().end().finish(order) == 0 ? order : luas::value();
}

int main()
{
    luas::options options;
    options.source = script;
    options.workers = 1;
    luas::pool pool(options);
    luas::writer writer;
    if (!pool || pool.submit("order", write_order(writer, "tea", 1.5)) < 0 || pool.submit("order", write_order(writer, "nuts", 2)) < 0)
        return std::puts(pool.why()), 1;
    luas::outcome outcome;
    while (pool.pending() > 0 && pool.wait(10) == 1)
        while (pool.next(outcome) == 1) {
            luas::value name, sum;
            luas::reader reader(outcome.result());
            if (reader.find("name", name) == 1 && reader.find("sum", sum) == 1)
                std::printf("%s: %g\n", name.c_str(), sum.number());
        }
}
