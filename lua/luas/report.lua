--- Reports: the figures of a run as an HTML page or as JSON.
---
--- The page is one file of static HTML and SVG without scripts. So it works in mail, offline
--- and in print. Pictures are stretched to the width of the page; their labels are HTML.

local version = require("luas.core").version
local insights = require("luas.insights", true) -- as this one: luas.later

local date = os and os.date or function() return "" end
local floor, log, max, min = math.floor, math.log, math.max, math.min

local M = {}

-- ---- JSON ----

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function json_string(text)
    return '"' .. text:gsub('[%c"\\]', function(c)
        return escapes[c] or ("\\u%04x"):format(c:byte())
    end) .. '"'
end

local function json_number(n)
    if math.type(n) == "integer" then return ("%d"):format(n) end
    return n == n and n ~= math.huge and n ~= -math.huge and ("%.10g"):format(n) or "null"
end

local to_json

local function json_table(t)
    local parts = {}
    if #t > 0 or next(t) == nil then
        for i, v in ipairs(t) do parts[i] = to_json(v) end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    local keys = {}
    for k in pairs(t) do keys[#keys + 1] = k end
    table.sort(keys)
    for i, k in ipairs(keys) do parts[i] = json_string(k) .. ":" .. to_json(t[k]) end
    return "{" .. table.concat(parts, ",") .. "}"
end

function to_json(v)
    if type(v) == "table" then return json_table(v) end
    if type(v) == "number" then return json_number(v) end
    return type(v) == "string" and json_string(v) or tostring(v)
end

-- ---- words ----

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escape(text)
    return (text:gsub('[&<>"]', entities))
end

local seconds = insights.seconds

local function percent(share)
    return ("%.0f%%"):format(100 * share)
end

local function title()
    local arg = rawget(_G, "arg")
    local script = type(arg) == "table" and type(arg[0]) == "string" and arg[0]:match "[^/]+$"
    return script or "luas"
end

-- ---- pictures ----

-- The most cells of all lanes together. With many workers bins are joined to keep this.
local CELLS <const> = 9600

local function fold(bins)
    local folded = {}
    for i = 1, #bins, 2 do folded[#folded + 1] = (bins[i] + (bins[i + 1] or 0)) / 2 end
    return folded
end

local function folded_lanes(lanes)
    local rows, n = {}, 0
    for i, lane in ipairs(lanes) do
        rows[i] = lane.bins
        n = max(n, #lane.bins)
    end
    while n * #rows > CELLS and n > 1 do
        for i, row in ipairs(rows) do rows[i] = fold(row) end
        n = (n + 1) // 2
    end
    return rows, n
end

-- A path for each level of activity, through the runs of bins that have that level.
local function lane_paths(bins)
    local paths = { {}, {}, {}, {} }
    local from, level = 1, 0
    for i = 1, #bins + 1 do
        local busy = bins[i] or 0
        local here = i <= #bins and (busy <= 0.02 and 0 or min(4, 1 + floor(busy * 3.99))) or -1
        if here ~= level then
            if level > 0 then
                table.insert(paths[level], ("M%d 0h%dv10h-%dz"):format(from - 1, i - from, i - from))
            end
            from, level = i, here
        end
    end
    return paths
end

local function mark_words(mark)
    return mark.signal and "killed by signal " .. mark.signal
        or mark.exitcode and "exited with status " .. mark.exitcode or "died"
end

local function lane_svg(bins, n, lane, wall)
    local out = { ('<svg viewBox="0 0 %d 10" preserveAspectRatio="none" role="img">'):format(max(n, 1)) }
    out[#out + 1] = ("<title>%s: %d tasks, busy %s of %s</title>"):format(
        escape(lane.name), lane.tasks, seconds(lane.busy), seconds(lane.alive))
    for level, parts in ipairs(lane_paths(bins)) do
        if #parts > 0 then
            out[#out + 1] = ('<path class="b%d" d="%s"/>'):format(level, table.concat(parts))
        end
    end
    for _, mark in ipairs(lane.marks) do
        out[#out + 1] = ('<path class="death" d="M%.2f 0v10"><title>%s after %s</title></path>'):format(
            wall > 0 and mark.at / wall * n or 0, mark_words(mark), seconds(mark.at))
    end
    out[#out + 1] = "</svg>"
    return table.concat(out)
end

local function axis(labels)
    local out = { '<div class="axis">' }
    for _, text in ipairs(labels) do out[#out + 1] = "<span>" .. text .. "</span>" end
    out[#out + 1] = "</div>"
    return table.concat(out)
end

local function time_axis(wall)
    local labels = {}
    for i = 0, 4 do labels[#labels + 1] = i == 0 and "0" or seconds(wall * i / 4) end
    return axis(labels)
end

local function goes_before(a, b)
    if a.pool ~= b.pool then return a.pool < b.pool end
    if a.machine ~= b.machine then return (a.machine or "") < (b.machine or "") end
    return a.worker < b.worker
end

-- The lanes of a machine are together. Those of workers of this one stay as they are.
local function sort_lanes(lanes)
    for _, lane in ipairs(lanes) do
        if lane.machine then return table.sort(lanes, goes_before) end
    end
end

local function machine_html(lanes, i)
    local lane = lanes[i]
    if not lane.machine or i > 1 and lanes[i - 1].machine == lane.machine then return "" end
    return ('<div class="machine">%s</div>'):format(escape(lane.machine))
end

local function lanes_html(f)
    sort_lanes(f.lanes)
    local rows, n = folded_lanes(f.lanes)
    local several = false
    for _, lane in ipairs(f.lanes) do several = several or lane.pool ~= f.lanes[1].pool end
    local out = { '<section><h2>Workers</h2><div class="lanes', #rows > 24 and ' many' or '', '">' }
    for i, lane in ipairs(f.lanes) do
        out[#out + 1] = ('%s<div class="lane"><span>%s%s</span>%s</div>'):format(
            machine_html(f.lanes, i), several and lane.pool .. "/" or "", lane.worker, lane_svg(rows[i], n, lane, f.wall))
    end
    out[#out + 1] = '</div><div class="under">' .. time_axis(f.wall) .. "</div>"
    out[#out + 1] = '<p class="key">Each line is a worker: the darker, the busier. '
    out[#out + 1] = f.deaths > 0 and "A red mark is its death; another took its place.</p></section>" or "</p></section>"
    return table.concat(out)
end

local function columns_path(values, most, height)
    local parts = {}
    for i, v in ipairs(values) do
        if v > 0 then
            local h = max(v / most * height, height / 200)
            parts[#parts + 1] = ("M%d %.1fh1V%gh-1z"):format(i - 1, height - h, height)
        end
    end
    return table.concat(parts)
end

local function highest(values)
    local most = 0
    for _, v in ipairs(values) do most = max(most, v) end
    return most
end

local function rate(n)
    return n >= 100 and ("%.0f/s"):format(n) or ("%.3g/s"):format(n)
end

local function throughput_html(f)
    local ended, failed, bin = f.ended, f.failed, f.bin
    while #ended > 200 do
        local e, x = fold(ended), fold(failed)
        for i = 1, #e do e[i], x[i] = 2 * e[i], 2 * x[i] end
        ended, failed, bin = e, x, 2 * bin
    end
    local most = max(1, highest(ended))
    return table.concat {
        '<section><h2>Throughput</h2><p class="top">', rate(most / bin), "</p>",
        ('<svg class="plot" viewBox="0 0 %d 100" preserveAspectRatio="none" role="img">'):format(max(1, #ended)),
        "<title>tasks ended over time</title>",
        '<path class="b3" d="', columns_path(ended, most, 100), '"/><path class="bad" d="',
        columns_path(failed, most, 100), '"/></svg>', time_axis(f.wall), "</section>",
    }
end

local function histogram_html(f)
    if #f.histogram == 0 then return "" end
    local first, last = f.histogram[1].from, f.histogram[#f.histogram].to
    local steps = floor(4 * log(last / first, 2) + 0.5)
    local counts = {}
    for i = 1, steps do counts[i] = 0 end
    for _, h in ipairs(f.histogram) do counts[floor(4 * log(h.from / first, 2) + 0.5) + 1] = h.count end
    local most, labels = highest(counts), {}
    for i = 0, 4 do labels[#labels + 1] = seconds(first * (last / first) ^ (i / 4)) end
    local t = f.times
    return table.concat {
        '<section><h2>How long tasks took</h2><p class="top">', ("%d"):format(most), " tasks</p>",
        ('<svg class="plot" viewBox="0 0 %d 100" preserveAspectRatio="none" role="img">'):format(steps),
        "<title>tasks by how long they took, on a logarithmic scale</title>",
        '<path class="b3" d="', columns_path(counts, most, 100), '"/></svg>', axis(labels),
        ('<p class="key">median %s, 95%% below %s, slowest %s</p></section>'):format(
            seconds(t.median), seconds(t.p95), seconds(t.max)),
    }
end

-- ---- tables ----

local function cell(text, class)
    return ('<td%s>%s</td>'):format(class and ' class="' .. class .. '"' or "", escape(text))
end

local function rows_html(list, headings, cells)
    local out = { "<table><thead><tr>" }
    for _, heading in ipairs(headings) do out[#out + 1] = "<th>" .. heading .. "</th>" end
    out[#out + 1] = "</tr></thead><tbody>"
    for _, item in ipairs(list) do
        out[#out + 1] = "<tr>"
        for i, text in ipairs(cells(item)) do
            local heading = headings[i]
            out[#out + 1] = cell(text, i == #headings and "wide"
                or (heading == "task" or heading == "input") and "text" or nil)
        end
        out[#out + 1] = "</tr>\n"
    end
    out[#out + 1] = "</tbody></table>"
    return table.concat(out)
end

local function task_name(n)
    return ("%s task %d"):format(n.label or "", n.index)
end

-- What a worker is called, below a heading that says that it is one.
local function worker_name(f, n)
    for _, lane in ipairs(f.lanes) do
        if lane.pool == n.pool and lane.machine == n.machine and lane.worker == n.worker then return (lane.name:gsub("^worker ", "")) end
    end
    return tostring(n.worker)
end

local function slowest_html(f)
    if #f.slowest == 0 then return "" end
    return "<section><h2>Slowest tasks</h2>" .. rows_html(f.slowest, { "took", "worker", "task", "input" }, function(n)
        return { seconds(n.seconds), worker_name(f, n), task_name(n), n.input or "" }
    end) .. "</section>"
end

local function what_failed(n)
    if n.signal then return ("%s (signal %d)"):format(n.kind, n.signal) end
    if n.exitcode and n.kind == "crash" then return ("crash (status %d)"):format(n.exitcode) end
    return n.kind
end

local function failures_html(f)
    if #f.failures == 0 then return "" end
    local more = f.unlisted > 0 and ("<p class=\"key\">and %d more</p>"):format(f.unlisted) or ""
    return '<section><h2>Failures</h2>' .. rows_html(f.failures,
        { "kind", "after", "worker", "task", "input", "message" }, function(n)
            return { what_failed(n), seconds(n.at), worker_name(f, n), task_name(n), n.input or "", n.message or "" }
        end) .. more .. "</section>"
end

-- ---- the page ----

local STYLE <const> = [[
:root{--ink:#1c2733;--dim:#5d6b79;--paper:#fff;--line:#dde3e9;--blue:#2a6fbb;--bad:#c62828}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9ee;--dim:#93a1ae;--paper:#14191e;--line:#2c353d;--blue:#5aa2ee;--bad:#ff6b60}}
@media print{:root{--ink:#000;--dim:#444;--paper:#fff;--line:#ccc;--blue:#2a6fbb;--bad:#c62828}section{break-inside:avoid}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 16px;max-width:1100px;background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,sans-serif;-webkit-print-color-adjust:exact;print-color-adjust:exact}
h1{font-size:22px;margin:0 0 2px}h2{font-size:16px;margin:28px 0 8px}
.sub,.key,.top{color:var(--dim);font-size:13px;margin:4px 0}.top{margin:0 0 2px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(105px,1fr));gap:10px;margin:18px 0}
.figures div{border:1px solid var(--line);border-radius:8px;padding:8px 12px}
.figures b{display:block;font-size:22px;font-weight:600;white-space:nowrap}.figures span{color:var(--dim);font-size:13px}
.figures .failed b{color:var(--bad)}
ul{padding-left:20px;margin:8px 0}
svg{display:block;width:100%}.plot{height:110px;border-bottom:1px solid var(--line)}
.lane{display:grid;grid-template-columns:44px 1fr;align-items:center;gap:8px;margin:2px 0}
.lane span{color:var(--dim);font-size:12px;text-align:right}.lane svg{height:16px;background:color-mix(in srgb,var(--line) 45%,transparent)}
.many .lane{margin:0}.many .lane span{font-size:8px;line-height:8px}.many .lane svg{height:8px}
.machine{font-size:13px;margin:8px 0 2px}
.under{padding-left:52px}
.axis{display:flex;justify-content:space-between;color:var(--dim);font-size:12px;margin-top:3px}
.b1{fill:var(--blue);opacity:.3}.b2{fill:var(--blue);opacity:.5}.b3{fill:var(--blue);opacity:.75}.b4{fill:var(--blue)}
.bad{fill:var(--bad)}.death{stroke:var(--bad);stroke-width:2;vector-effect:non-scaling-stroke}
table{border-collapse:collapse;width:100%;font-size:13px}
th{text-align:left;color:var(--dim);font-weight:500}th,td{padding:4px 10px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
td{white-space:nowrap}td.text,td.wide{white-space:normal;overflow-wrap:anywhere}td.text{min-width:9em}td.wide{width:45%}
@media(max-width:640px){table,tbody,tr,td,td.text,td.wide{display:block;width:auto;min-width:0}thead,td:empty{display:none}td{border:0;padding:1px 0;white-space:normal;overflow-wrap:anywhere}tr{border-bottom:1px solid var(--line);padding:6px 0}}
]]

local function figure(value, name, class)
    return ('<div%s><b>%s</b><span>%s</span></div>'):format(class and ' class="' .. class .. '"' or "", value, name)
end

local function count(n)
    local text, times = ("%d"):format(n), 1
    while times > 0 do text, times = text:gsub("^(%d+)(%d%d%d)", "%1&#8239;%2") end
    return text
end

local function figures_html(f)
    local failed = f.errors + f.timeouts + f.crashes
    return table.concat { '<div class="figures">', figure(count(f.tasks), f.tasks == 1 and "task" or "tasks"),
        figure(seconds(f.wall), "wall"), figure(seconds(f.busy), "busy, in " .. #f.lanes .. " workers"),
        figure(("%.1f×"):format(f.speedup), "speed-up"), figure(percent(f.efficiency), "efficiency"),
        figure(count(failed), "failed", failed > 0 and "failed" or nil), "</div>" }
end

local function insights_html(f)
    local out = { "<ul>" }
    for _, text in ipairs(insights.of(f)) do out[#out + 1] = "<li>" .. escape(text) .. "</li>" end
    out[#out + 1] = "</ul>"
    return table.concat(out)
end

local function page(f)
    return table.concat {
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>', escape(title()),
        "</title><style>", STYLE, "</style></head><body>\n<h1>", escape(title()), '</h1><p class="sub">',
        escape(date "%Y-%m-%d %H:%M:%S"), ", luas ", version, "</p>\n", figures_html(f), insights_html(f), "\n",
        lanes_html(f), "\n", throughput_html(f), "\n", histogram_html(f), "\n", failures_html(f), "\n",
        slowest_html(f), "\n</body></html>\n",
    }
end

--- The text of a report. The name of the file says of which kind.
---@param path string
---@param figures table  what a tally gives
---@return string
function M.text(path, figures)
    if path:find "%.json$" then
        figures.title, figures.version, figures.date = title(), version, date "%Y-%m-%dT%H:%M:%S"
        figures.insights = insights.of(figures)
        return to_json(figures) .. "\n"
    end
    return page(figures)
end

return M
