---@meta luas
-- The reference of luas: annotations for the Lua language server, and the one source of the tables
-- in lua/README.md, of luas(3lua) and of `help` at the prompt. `scripts/reference/generate`
-- makes these; the tests say when they are old.
--
-- A field of options is `---@field name? type  values | default | meaning`. The first line
-- of a function is what tables say of it. Examples run in the tests.

-- ---- options ----

---@class luas.joboptions
---@field chunk? integer  whole number from 1 | by measured time | tasks that travel together
---@field window? integer  whole number from 1 | 1024 for each worker, 16384 for each on another machine | tasks that a lazy verb reads ahead of its consumer
---@field timeout? number  seconds above 0 | none | for one task; one that runs longer is stopped
---@field deadline? number  seconds above 0 | none | for the whole job; what is left of it then is cancelled
---@field grace? number  seconds, 0 or more | 0.5 | from when a task is told to stop to when it is killed
---@field retries? integer|luas.retries  0 to 1000, or a table | 0 | further starts of a task that failed: see below
---@field on_error? "raise"|"collect"  `"raise"` or `"collect"` | `"raise"` | whether failures raise or are returned
---@field on_interrupt? "raise"|"drain"  `"raise"` or `"drain"` | `"raise"` | at Ctrl-C: stop the tasks that run, or start no more and let them end; a second Ctrl-C ends it
---@field limit? luas.limit  table | none | how many tasks run at a time, and start in a second: see below
---@field halt? integer|string|luas.halt  whole number from 1, `"5%"`, or a table | none | start no more tasks after so many failures, or when so many of all have failed: see below
---@field seed? integer  integer | none | `math.random` in a task depends on it and on the task's index alone
---@field priority? integer  -1000000 to 1000000 | 0 | jobs with a higher one go first; of equal ones none waits for all of another: they share the workers by turns
---@field progress? boolean|fun(done: integer, total: integer?, info: luas.progressinfo)|{every: number}  true, function, or `{every = s}` | none | see [Seeing a run](#seeing-a-run)
---@field report? string  file name | none | a report of this job, `.html` or `.json`
---@field carry? "auto"|"ship"|"inherit"  `"auto"`, `"ship"` or `"inherit"` | `"auto"` | how the function gets to workers: see [What a task sees](#what-a-task-sees)
---@field journal? string|luas.journaloption|false  file name, table, or false | none | a file by which a killed run goes on where it was: see [Journals](#journals)

---@class luas.pooloptions: luas.joboptions
---@field workers? integer  0 to 4096 | `-j`, `LUAS_JOBS`, or the CPUs there are | worker processes, forked when tasks want them; 0 runs everything in the caller
---@field name? string  string | none | what `tostring(p)` says, and what its workers are called
---@field init? function  function | none | each worker calls it first
---@field init_timeout? number  seconds above 0 | 60 | what a worker has for `init` and for loading what a job needs; `math.huge`: as long as it takes
---@field exit? function  function | none | each worker calls it last; `join` waits for it
---@field exit_timeout? number  seconds above 0 | 10 | what a worker has for `exit`, finalizers and files; then it is killed, and that is reported
---@field idle? number  seconds above 0 | none | a worker that has had no task for so long ends, whether or not the script calls the pool (after `p:fileno()` your own loop does it); others are forked when tasks want them
---@field max_tasks? integer  whole number from 1 | none | a worker is replaced after so many tasks
---@field memory? integer|string  bytes from 1M, or text such as `"200M"` | none | what a worker may allocate
---@field max_memory? integer|string  the same | none | a worker that has grown past it is replaced when idle
---@field output? "inherit"|"tag"|"capture"  `"inherit"`, `"tag"` or `"capture"` | `"inherit"` | what becomes of what tasks print
---@field start? "fork"|"zygote"|"exec"  `"fork"`, `"zygote"` or `"exec"` | `"fork"` | how workers are made: forked from the script, or from a [zygote](#workers-of-a-zygote), or each a [fresh program](#workers-that-are-fresh-programs)
---@field program? string  file name | the luas that was installed with the library, or one in `PATH` | with `start = "exec"`: what workers are
---@field keep_files? boolean  boolean | false | workers keep all pipes and sockets that the script has open when they are forked: see [What a task sees](#what-a-task-sees)
---@field cluster? string  `"nats://host:4222"` | `--cluster`, `LUAS_CLUSTER` | the workers are those of other machines: see [Many machines](#many-machines)
---@field key? string  file name | `--key`, `LUAS_KEY` | of a cluster: what its messages are sealed with
---@field ca? string  file name | none | of a cluster: the certificates that its server is known by
---@field nkey? string  file name | none | of a cluster: the seed of this user's nkey
---@field modules? string  `"send"`, `"check"` or `"require"` | `"send"` | of a cluster: what becomes of modules in Lua that an agent has not as they are here: they are sent, are an error, or are the agent's own affair
---@field lost_after? number  seconds above 0 | 10 | of a cluster: a machine of which nothing is heard for so long is lost
---@field stats? boolean  boolean | false | have `p:stats()` give times as well
---@field report? string  file name | none | a report of all its jobs, `.html` or `.json`
---@field trace? string  file name | none | Chrome trace events
---@field joblog? string  file name | none | a line for each task, as GNU parallel has it

---@class luas.retries
---@field n? integer  whole number from 0 | 3 | further starts
---@field on? "crash"|"error"|"any"|fun(o: luas.outcome): boolean  `"crash"`, `"error"`, `"any"`, or a function | `"crash"` | after what; `"crash"` is crashes and timeouts; a function is given the outcome, in the script's process
---@field delay? number  seconds | 0 | before the first further start
---@field factor? number  number from 1 | 2 | by which each next pause is longer
---@field max? number  seconds | 60 | the longest pause

---@class luas.limit
---@field n? integer  whole number from 1 | none | tasks of a key that run at a time
---@field rate? number  number above 0 | none | tasks of a key that start in a second, at equal distances
---@field key? fun(...): any  function | one key for all | called with a task's arguments, in the script's process; nil: no limit

---@class luas.halt
---@field n integer|string  whole number from 1, or `"5%"` |  | failures, or how many of all tasks
---@field now? boolean  boolean | false | stop the tasks that run then

---@class luas.journaloption
---@field path string  file name |  | the file
---@field resume? boolean|"failed"  boolean or `"failed"` | true | go on with what is there; `"failed"`: and run again what ended without a value; false: a file that exists is an error
---@field on_change? "error"|"rerun"|"keep"  `"error"`, `"rerun"` or `"keep"` | `"error"` | where the file knows an input of another code: the call raises, and says what has changed; it is done again, and what was recorded stays; what was recorded counts, and in later runs, too
---@field values? boolean  boolean | true | record results; without them `each` resumes, and a verb that needs them raises
---@field key? fun(...): any  function | none | of a task's arguments: what tells the task from others; called in the script's process
---@field depends? fun(...): string[]  function | none | of a task's arguments: names of files that count with their size and time
---@field ignore? string[]  list of names | none | upvalues, globals and fields that do not count
---@field explain? boolean  boolean | false | say of each input what is known: done, new, failed, code

---@class luas.lineoptions
---@field sep? string  text | `"\n"` | what ends a line
---@field block? integer|string  bytes, or text such as `"256K"` | 1 MB | how much of a file is looked at together, and how large a block is; a line is never cut
---@field local_files? boolean  boolean | this machine has them | every machine that has workers has the files at these paths

---@class luas.fileoptions
---@field pattern? string  Lua pattern | none | what the path has in it
---@field follow? boolean  boolean | false | go through symbolic links

-- ---- outcomes ----

---@class luas.outcome
---@field kind "error"|"timeout"|"crash"|"cancelled"  `"error"`, `"timeout"`, `"crash"` or `"cancelled"`
---@field index? integer  of the task in its job, from 1
---@field input any  what the task was given: its argument, or several as `table.pack` gives them, or nil for none
---@field value any  what the task raised, of any type
---@field message string  what happened, in words. `tostring(o)` says more: the kind, the index and the traceback
---@field took number  seconds that the task ran, the last time; 0 if it never began
---@field traceback? string  the worker's
---@field pid? integer  of the worker that had it
---@field worker? integer  its number in the pool; 0 is the caller itself
---@field worker_name? string  what the worker is called, here as in tags, traces, reports and `process.current().name`: `calc 1` in a pool with the name `calc`, else `worker 1`; of a process: its name
---@field exitcode? integer  of a crash: the status with which the worker exited
---@field signal? integer  of a crash: the signal that ended the worker
---@field attempts integer  how often the task was started
---@field limit? number  of a timeout, and of what `deadline` cancelled: the seconds
---@field over_memory? boolean  of a crash: it was killed for passing `memory`
---@field hung? boolean  of a crash: it was killed because it waited for ever for a lock, which another thread of the host held when the worker was forked
---@field count? integer  more than 1: one of so many tasks from `index` on, in `reduce`
---@field output? string  what it printed, in a pool with `output = "capture"`
---@field pending? boolean  only the wait of `future:get` ran out; the task goes on
---@field init? boolean  no worker could start: the outcome is that of the last one's `init`
---@field name? string  of a process: its name
---@field called_from? string  where the script called the verb that raised it, or started the process: `job.lua:8`
---@field recorded? boolean  it is what an earlier run came to, as a journal says
---@field file? string  of a line or a block: the file that it is from
---@field line? integer  of a line: its number there
---@field byte? integer  of a block: where it begins there
---@field machine? string  over a cluster: the agent that had it
---@field machine_lost? string  of a crash: what became of that machine
---@field call? string  of a call that was cut short: what cut it short
---@field n? integer  of a call that was cut short: the tasks that there were
---@field results? table  of a call that was cut short: what they gave, as `map` has it
---@field failures? table<integer, luas.outcome>  of a call that was cut short: the outcomes of those without a value, by index
---@field result any  of `reduce` that was cut short: what was combined so far

---@class luas.progressinfo
---@field failed integer  tasks that failed
---@field rate? number  tasks a second
---@field eta? number  seconds left
---@field elapsed number  seconds since the start
---@field fraction? number  the share that is done
---@field running integer  how many tasks run
---@field tasks table[]  a list of these: `index`, `worker`, `seconds`, over a cluster `machine`, and what they said of themselves: `done`, `total`, `note`
---@field slowest? number  seconds that the slowest task took or has taken

---@class luas.task
---@field index integer  of the task, from 1
---@field attempt integer  1 for the first start
---@field worker integer  the worker's number
---@field progress fun(done: number, total?: number, note?: string)  moves the line of `progress`

---@alias luas.source table|fun(): any, ...

-- ---- pool ----

---@class luas.poolmodule
---@field task? luas.task  in a task: which one it is; elsewhere nil
pool = {}

---Calls `f` on every item, in worker processes; results come in input order.
---
---Gives a table with the first result of each task, and their number. In a pool with `output = "capture"` a fourth result has, by
---index, what the tasks printed. With `on_error = "collect"` `failures[i]` is the outcome of task i. Raises the first failing
---outcome in input order, once the rest has been cancelled.
---```lua
---local squares, n = pool.map(function(x) return x * x end, { 1, 2, 3 })
---print(n, table.concat(squares, " "))                                    --> 3	1 4 9
---```
---@param f fun(...): any
---@param items luas.source
---@param opts? luas.joboptions
---@return table results
---@return integer n
---@return table<integer, luas.outcome>? failures
---@return table<integer, string>? printed
function pool.map(f, items, opts) end

---As `map`, but each item is a list of arguments.
---
---Calls `f(table.unpack(list, 1, list.n or #list))`. What a source function returns behind the list follows the list's arguments.
---Gives and raises what `map` does.
---```lua
---print(table.concat(pool.starmap(math.max, { { 1, 7 }, { 5, 2 } }), " ")) --> 7 5
---```
---@param f fun(...): any
---@param arglists luas.source
---@param opts? luas.joboptions
---@return table results
---@return integer n
---@return table<integer, luas.outcome>? failures
---@return table<integer, string>? printed
function pool.starmap(f, arglists, opts) end

---Calls `f(key, value)` for all pairs of a table; results have the same keys.
---
---Gives a table with the first result of each task, and their number. With `on_error = "collect"` `failures[key]` is the outcome of
---that key's task. Raises the first failing outcome. Keys go in order, numbers first, so `seed` means the same in each run.
---```lua
---local sizes = pool.map_pairs(function(name, text) return #text end, { a = "xyz", b = "z" })
---print(sizes.a, sizes.b)                                                 --> 3	1
---```
---@param f fun(key: any, value: any): any
---@param t table
---@param opts? luas.joboptions
---@return table results
---@return integer n
---@return table<any, luas.outcome>? failures
---@return table<any, string>? printed
function pool.map_pairs(f, t, opts) end

---Gives index and results, in input order, for generic `for`; the source is read a window ahead.
---
---It keeps no more than a window of tasks, so a source may be endless. `break` cancels the rest. With `on_error = "collect"` a task
---that failed gives `i, nil, outcome`; else its outcome is raised in its turn.
---```lua
---local i = 0
---local function naturals() i = i + 1 return i end
---for _, square in pool.imap(function(x) return x * x end, naturals, { window = 8 }) do
---    if square > 10 then break end
---    print(square)
---end
-----> 1
-----> 4
-----> 9
---```
---@param f fun(...): any
---@param source luas.source
---@param opts? luas.joboptions
---@return fun(): integer, any iterator
function pool.imap(f, source, opts) end

---As `imap`, in the order in which tasks end.
---
---With `on_error = "collect"` a task that failed gives `i, nil, outcome`; else its outcome is raised as soon as it comes.
---```lua
---local sum = 0
---for _, square in pool.imap_unordered(function(x) return x * x end, { 1, 2, 3 }) do sum = sum + square end
---print(sum)                                                              --> 14
---```
---@param f fun(...): any
---@param source luas.source
---@param opts? luas.joboptions
---@return fun(): integer, any iterator
function pool.imap_unordered(f, source, opts) end

---Calls `f` on every item for its effects; keeps no results.
---
---Gives the number of tasks, and with `on_error = "collect"` their failures by index. Else raises the first failing outcome.
---Memory does not grow with the number of tasks.
---```lua
---local seen = shared.value("i64")
---print(pool.each(function(x) seen:add(x) end, { 1, 2, 3 }), seen:get())  --> 3	6
---```
---@param f fun(...): any
---@param source luas.source
---@param opts? luas.joboptions
---@return integer n
---@return table<integer, luas.outcome>? failures
function pool.each(f, source, opts) end

---Combines the results into one value, in the workers first.
---
---Gives `combine(... combine(combine(init, f(item 1)), f(item 2)) ..., f(item n))`. Workers combine runs of items first, in order, so
---`combine` must be associative. Without `init` it starts with the first result; over nothing it gives `init`. With `chunk` so many
---items are combined in a worker at a time. With `timeout`, `deadline`, `seed`, `retries`, `limit`, `halt`, `journal` or
---`on_error = "collect"`, which are for single tasks, all are combined in the caller. With `on_error = "collect"` it gives the value of the tasks that
---have one, and the failures. Else raises the first failing outcome.
---```lua
---print(pool.reduce(function(x) return x * x end, { 1, 2, 3 }, function(a, b) return a + b end, 0)) --> 14
---```
---@param f fun(...): any
---@param source luas.source
---@param combine fun(a: any, b: any): any
---@param init? any
---@param opts? luas.joboptions
---@return any value
---@return table<integer, luas.outcome>? failures
function pool.reduce(f, source, combine, init, opts) end

---Gives the first item, in input order, for which `f` gives neither nil nor false.
---
---More exactly: its index, and what `f` gave for it; nil where there is none. The rest is cancelled, and tasks that run are stopped.
---With `on_error = "collect"` a third result has the failures that came before. Else the outcome of a task before that item is raised.
---```lua
---local function long(word) return #word > 4 and #word end
---print(pool.find(long, { "one", "three", "eleven" }))                    --> 2	5
---```
---@param f fun(...): any
---@param source luas.source
---@param opts? luas.joboptions
---@return integer? index
---@return any value
---@return table<integer, luas.outcome>? failures
function pool.find(f, source, opts) end

---Tells whether `f` holds for any item, and stops as soon as that is known.
---
---A failure counts only if `f` holds for no item: then the first one in input order is raised, or with `on_error = "collect"` false
---is given, and the failures.
---```lua
---print(pool.any(function(x) return x > 2 end, { 1, 2, 3 }))              --> true
---```
---@param f fun(...): any
---@param source luas.source
---@param opts? luas.joboptions
---@return boolean
---@return table<integer, luas.outcome>? failures
function pool.any(f, source, opts) end

---Tells whether `f` holds for all items, and stops as soon as it does not for one.
---
---A failure counts only if `f` holds for all other items: then the first one in input order is raised, or with
---`on_error = "collect"` true is given, and the failures.
---```lua
---print(pool.all(function(x) return x > 2 end, { 1, 2, 3 }))              --> false
---```
---@param f fun(...): any
---@param source luas.source
---@param opts? luas.joboptions
---@return boolean
---@return table<integer, luas.outcome>? failures
function pool.all(f, source, opts) end

---Gives the items for which `f` holds, in input order, and their number.
---
---With `most` it stops when it has so many: the first ones in input order. Items of an array are the caller's own; what a source gave comes back as a copy, several
---values as `table.pack` gives them. With `on_error = "collect"` a third result has the failures by index of the task. Else raises the
---first failing outcome.
---```lua
---local kept, n = pool.filter(function(x) return x % 2 == 1 end, pool.range(1, 100), 3)
---print(n, table.concat(kept, " "))                                       --> 3	1 3 5
---```
---@param f fun(...): any
---@param source luas.source
---@param most? integer
---@param opts? luas.joboptions
---@return table items
---@return integer n
---@return table<integer, luas.outcome>? failures
function pool.filter(f, source, most, opts) end

---Calls `f(...)` once in each worker.
---
---Gives a table with one result for each worker, and their number; failures as `map` does. A worker that is forked later has not seen that call, nor has an agent of a cluster that comes later: `init` is for this.
---```lua
---local p <close> = pool.new(2)
---local names, n = p:broadcast(function(greeting) return greeting end, "hello")
---print(n, names[1], names[2])                                            --> 2	hello	hello
---```
---@param f fun(...): any
---@param ... any
---@return table results
---@return integer n
---@return table<integer, luas.outcome>? failures
---@return table<integer, string>? printed
function pool.broadcast(f, ...) end

---Calls `f(...)` in a worker, and gives all its results.
---
---Raises the outcome of the task if it fails. It takes no options: `pool.with` gives it some.
---```lua
---print(pool.with { timeout = 5 }:apply(math.max, 3, 7))                  --> 7
---```
---@generic T
---@param f fun(...): T
---@param ... any
---@return T ...
function pool.apply(f, ...) end

---As `apply`, without waiting: gives a future.
---
---The future's `get` gives or raises what `apply` does. The task goes on while the script does other things.
---```lua
---local future = pool.apply_async(function(a, b) return a + b, a * b end, 3, 4)
---print(future:get())                                                     --> 7	12
---```
---@param f fun(...): any
---@param ... any
---@return luas.future future
function pool.apply_async(f, ...) end

---As `map`, without waiting: gives a future.
---
---The source is read to its end before this returns. The future's `get` gives or raises what `map` does.
---```lua
---local future = pool.map_async(math.abs, { -1, -2 })
---print(#future:get())                                                    --> 2
---```
---@param f fun(...): any
---@param items luas.source
---@param opts? luas.joboptions
---@return luas.future future
function pool.map_async(f, items, opts) end

---As `starmap`, without waiting: gives a future.
---
---The source is read to its end before this returns. The future's `get` gives or raises what `starmap` does.
---```lua
---print(pool.starmap_async(math.max, { { 1, 7 } }):get()[1])              --> 7
---```
---@param f fun(...): any
---@param arglists luas.source
---@param opts? luas.joboptions
---@return luas.future future
function pool.starmap_async(f, arglists, opts) end

---Waits for one of some futures: gives it and its place in the list, or nil if the time is over.
---```lua
---local slow, quick = pool.apply_async(os.execute, "sleep 0.3"), pool.apply_async(math.abs, -1)
---print(select(2, pool.wait_any { slow, quick }))                         --> 2
---```
---@param futures luas.future[]
---@param seconds? number
---@return luas.future? future
---@return integer? place
function pool.wait_any(futures, seconds) end

---Waits for all of some futures: false if the time is over first.
---```lua
---print(pool.wait_all { pool.apply_async(math.abs, -1) })                 --> true
---```
---@param futures luas.future[]
---@param seconds? number
---@return boolean ended
function pool.wait_all(futures, seconds) end

---Makes a source of what a generic `for` takes.
---```lua
---print(pool.map(function(k, v) return k .. v end, pool.iter(pairs { a = 1 }))[1]) --> a1
---```
---@param f function
---@param state? any
---@param control? any
---@param closing? any
---@return luas.source source
function pool.iter(f, state, control, closing) end

---Makes a source of what an `imap` gives, without its index: one job feeds the next.
---```lua
---local function double(x) return 2 * x end
---print(pool.map(double, pool.values(pool.imap(double, { 1, 2, 3 })))[3]) --> 12
---```
---@param f function
---@param state? any
---@param control? any
---@param closing? any
---@return luas.source source
function pool.values(f, state, control, closing) end

---Makes a source of numbers, as `for` counts them.
---```lua
---print(pool.reduce(math.abs, pool.range(1, 10), function(a, b) return a + b end)) --> 55
---```
---@param first number
---@param last number
---@param step? number
---@return luas.source source
function pool.range(first, last, step) end

---Makes a source of several lists: a task has one item of each as its arguments.
---
---Raises where the lists have not the same length, and where the first one has a hole.
---```lua
---print(table.concat(pool.map(math.max, pool.zip({ 1, 5 }, { 7, 2 })), " ")) --> 7 5
---```
---@param ... table
---@return luas.source source
function pool.zip(...) end

---Makes a source of all combinations of an item of each list, the last list first.
---```lua
---local function name(a, b) return a .. b end
---print(table.concat(pool.map(name, pool.product({ "x", "y" }, { 1, 2 })), " ")) --> x1 x2 y1 y2
---```
---@param ... table
---@return luas.source source
function pool.product(...) end

---Makes a source of the lines of files, which workers read themselves.
---```lua
---os.execute "printf 'a b\nc\n' >two.txt"
---print(table.concat(pool.map(string.upper, pool.lines "two.txt"), "/"))  --> A B/C
---```
---@param files string|string[]|file*|fun(): string
---@param opts? luas.lineoptions
---@return luas.source source
function pool.lines(files, opts) end

---Makes a source of runs of whole lines of files, with what ends them.
---```lua
---os.execute "printf 'a b\nc\n' >two.txt"
---print(pool.reduce(function(block) return select(2, block:gsub("\n", "")) end, pool.blocks "two.txt", math.max)) --> 2
---```
---@param files string|string[]|file*|fun(): string
---@param opts? luas.lineoptions
---@return luas.source source
function pool.blocks(files, opts) end

---Makes a source of the paths of all files in folders, and in those below them.
---```lua
---os.execute "mkdir -p f/g && touch f/g/x"
---print(pool.map(string.upper, pool.files "f")[1])                        --> F/G/X
---```
---@param folders string|string[]
---@param pattern? string|luas.fileoptions
---@return luas.source source
function pool.files(folders, pattern) end

---Opens a pool of your own, with the same verbs as methods.
---
---Without a number it has as many workers as `-j` or `LUAS_JOBS` say, else one for each CPU. They are forked when tasks want them.
---`local p <close> = pool.new(4)` closes and joins it where the block ends, and terminates it after an error.
---```lua
---local p <close> = pool.new { workers = 2, timeout = 5 }
---print(p:apply(math.abs, -1))                                            --> 1
---```
---@param n_or_opts? integer|luas.pooloptions
---@return luas.pool p
function pool.new(n_or_opts) end

---Says what the default pool is to be like; raises once that is in use.
---```lua
---pool.configure { workers = 2 }
---print(pool.size())                                                      --> 2
---```
---@param n_or_opts integer|luas.pooloptions
function pool.configure(n_or_opts) end

---Gives the same pool with other options of a job.
---```lua
---print(pool.with { retries = 3 }:apply(math.abs, -1))                    --> 1
---```
---@param opts luas.joboptions
---@return luas.pool p
function pool.with(opts) end

---Tells how many CPUs workers may use: the affinity that the process began with and the cgroup quota count.
---@return integer n
function pool.cpus() end

---Ends a pool for new jobs; what was submitted still gets done.
function pool.close() end

---Waits until all is done and every worker has ended: false if the time is over first. Close the pool first.
---@param seconds? number
---@return boolean ended
function pool.join(seconds) end

---Ends all at once: running tasks are killed, unfinished ones are cancelled.
function pool.terminate() end

---Tells how many workers a pool may have.
---@return integer n
function pool.size() end

---Changes how many workers a pool may have; those too many end when idle.
---@param n integer
function pool.resize(n) end

---Ends the workers that have nothing to do, waits for that, a second at most, and tells how many these are.
---@return integer n
function pool.trim() end

---Gives counts of tasks by outcome, forks, and more; times where something listens.
---@return table stats
function pool.stats() end

---Gives a descriptor that is readable when `step` has something to do, for a poll loop of your own.
---@return integer descriptor
function pool.fileno() end

---Moves what can be moved and runs callbacks; waits so long at most (0 by default): whether anything happened.
---@param seconds? number
---@return boolean happened
function pool.step(seconds) end

-- generated: the methods of a pool
---@class luas.pool
---@field map fun(self: luas.pool, f: fun(...): any, items: luas.source, opts?: luas.joboptions): table, integer, table<integer, luas.outcome>?, table<integer, string>?
---@field starmap fun(self: luas.pool, f: fun(...): any, arglists: luas.source, opts?: luas.joboptions): table, integer, table<integer, luas.outcome>?, table<integer, string>?
---@field map_pairs fun(self: luas.pool, f: fun(key: any, value: any): any, t: table, opts?: luas.joboptions): table, integer, table<any, luas.outcome>?, table<any, string>?
---@field imap fun(self: luas.pool, f: fun(...): any, source: luas.source, opts?: luas.joboptions): fun(): integer, any
---@field imap_unordered fun(self: luas.pool, f: fun(...): any, source: luas.source, opts?: luas.joboptions): fun(): integer, any
---@field each fun(self: luas.pool, f: fun(...): any, source: luas.source, opts?: luas.joboptions): integer, table<integer, luas.outcome>?
---@field reduce fun(self: luas.pool, f: fun(...): any, source: luas.source, combine: fun(a: any, b: any): any, init?: any, opts?: luas.joboptions): any, table<integer, luas.outcome>?
---@field find fun(self: luas.pool, f: fun(...): any, source: luas.source, opts?: luas.joboptions): integer?, any, table<integer, luas.outcome>?
---@field any fun(self: luas.pool, f: fun(...): any, source: luas.source, opts?: luas.joboptions): boolean, table<integer, luas.outcome>?
---@field all fun(self: luas.pool, f: fun(...): any, source: luas.source, opts?: luas.joboptions): boolean, table<integer, luas.outcome>?
---@field filter fun(self: luas.pool, f: fun(...): any, source: luas.source, most?: integer, opts?: luas.joboptions): table, integer, table<integer, luas.outcome>?
---@field broadcast fun(self: luas.pool, f: fun(...): any, ...: any): table, integer, table<integer, luas.outcome>?, table<integer, string>?
---@field apply fun(self: luas.pool, f: fun(...): T, ...: any): T ...
---@field apply_async fun(self: luas.pool, f: fun(...): any, ...: any): luas.future
---@field map_async fun(self: luas.pool, f: fun(...): any, items: luas.source, opts?: luas.joboptions): luas.future
---@field starmap_async fun(self: luas.pool, f: fun(...): any, arglists: luas.source, opts?: luas.joboptions): luas.future
---@field with fun(self: luas.pool, opts: luas.joboptions): luas.pool
---@field close fun(self: luas.pool)
---@field join fun(self: luas.pool, seconds?: number): boolean
---@field terminate fun(self: luas.pool)
---@field size fun(self: luas.pool): integer
---@field resize fun(self: luas.pool, n: integer)
---@field trim fun(self: luas.pool): integer
---@field stats fun(self: luas.pool): table
---@field fileno fun(self: luas.pool): integer
---@field step fun(self: luas.pool, seconds?: number): boolean
-- end

-- ---- futures ----

---@class luas.future
local future = {}

---Waits; gives the results, or raises the outcome. If only the wait ran out it raises one with `pending` set.
---@param seconds? number
---@return any ...
function future:get(seconds) end

---Waits; false if the time is over first.
---@param seconds? number
---@return boolean ended
function future:wait(seconds) end

---Has it ended? Does not wait.
---@return boolean
function future:ready() end

---Did it end with a value? Raises if it has not ended.
---@return boolean
function future:successful() end

---Cancels: a task that has not started never will, a running one is stopped; false if it had ended.
---@return boolean
function future:cancel() end

---Calls `f(future)` once it has ended; at once if it has.
---@param f fun(future: luas.future)
function future:on_done(f) end

---As `get`, in a coroutine of an event loop: yields until it has ended.
---@param wait? fun(set: fun(f: function))
---@return any ...
function future:await(wait) end

-- ---- processes ----

---@class luas.processoptions
---@field target fun(...): any  function |  | what it runs
---@field args? table  table | none | the arguments
---@field name? string  string | `process N` | what it is called
---@field daemon? boolean  boolean | false | a script that ends kills it, and does not wait for it
---@field keep_files? boolean  boolean | false | it keeps all pipes and sockets that the script has open

---@class luas.processmodule
process = {}

---Starts `f(...)` in a new process, a copy of the script as it is now.
---```lua
---print(process.spawn(function(x) return x * 2 end, 21):result())         --> 42
---```
---@param f fun(...): any
---@param ... any
---@return luas.process p
function process.spawn(f, ...) end

---Makes a process that `p:start()` starts.
---```lua
---local p = process.new { target = math.abs, args = { -1 }, name = "loader" }
---p:start()
---print(p.name, p:result())                                               --> loader	1
---```
---@param opts luas.processoptions
---@return luas.process p
function process.new(opts) end

---Gives the process that this code runs in.
---@return luas.process p
function process.current() end

---Gives the process that started this one, or nil.
---@return luas.process? p
function process.parent() end

---Gives those that were started from here and have not ended.
---@return luas.process[] list
function process.children() end

---Gives two ends: what one sends the other receives, also in other processes.
---```lua
---local here, there = process.pipe()
---process.spawn(function() there:send(6 * 7) end)
---print(here:recv())                                                      --> 42
---```
---@return luas.pipe a
---@return luas.pipe b
function process.pipe() end

---@class luas.process
---@field name string  what it is called
---@field pid? integer  once started
---@field daemon? boolean  a script that ends kills it
---@field exitcode? integer  once ended: 0, 1 if it raised, or what it exited with
---@field signal? integer  once ended by one
local p = {}

---Starts it.
function p:start() end

---Waits; gives what `f` returned, or raises its outcome.
---@return any ...
function p:result() end

---Waits for its end; false if the time is over.
---@param seconds? number
---@return boolean ended
function p:join(seconds) end

---Is it running?
---@return boolean
function p:is_alive() end

---Sends SIGTERM to it and what it started.
function p:terminate() end

---Sends SIGKILL to it and what it started.
function p:kill() end

---@class luas.pipe
local pipe = {}

---Sends values; waits while the other end has much to read.
---@param ... any
function pipe:send(...) end

---Gives the next values, or nil and `"timeout"` or `"closed"`.
---@param seconds? number
---@return any ...
function pipe:recv(seconds) end

---Closes this end in this process.
function pipe:close() end

---Gives its descriptor, for a poll loop.
---@return integer descriptor
function pipe:fileno() end

-- ---- what processes share ----

---@class luas.sharedmodule
shared = {}

---Makes a queue; `max` counts items, `bytes` is the largest item and what the queue holds in all.
---```lua
---local q = shared.queue()
---process.spawn(function() q:put { "hello" } end)
---print(q:get()[1])                                                       --> hello
---```
---@param max? integer
---@param opts? {bytes: integer}
---@return luas.queue q
function shared.queue(max, opts) end

---Makes a lock; its holder's end, or that of its task, releases it.
---```lua
---local lock, total = shared.lock(), shared.array("i64", 1)
---pool.each(function(x)
---    local guard <close> = lock:hold()
---    total[1] = total[1] + x
---end, { 1, 2, 3 })
---print(total[1])                                                         --> 6
---```
---@param opts? {recursive: boolean}
---@return luas.lock l
function shared.lock(opts) end

---Makes a semaphore with n permits.
---@param n integer
---@return luas.semaphore s
function shared.semaphore(n) end

---Makes an event, which is set or not.
---@return luas.event e
function shared.event() end

---Makes a condition, with a lock of its own or this one.
---@param lock? luas.lock
---@return luas.condition c
function shared.condition(lock) end

---Makes a barrier for n processes.
---@param n integer
---@return luas.barrier b
function shared.barrier(n) end

---Makes a number of a type (`i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `f32`, `f64`, `bool`), 0 at first.
---```lua
---local v = shared.value("i64", 40)
---print(v:add(2))                                                         --> 42
---```
---@param type "i8"|"i16"|"i32"|"i64"|"u8"|"u16"|"u32"|"f32"|"f64"|"bool"
---@param v? number|boolean
---@return luas.value v
function shared.value(type, v) end

---Makes n numbers of a type, all 0 at first.
---@param type "i8"|"i16"|"i32"|"i64"|"u8"|"u16"|"u32"|"f32"|"f64"|"bool"
---@param n integer
---@return luas.array a
function shared.array(type, n) end

---Makes a table that all processes share; with `file` it is an LMDB file that stays.
---```lua
---local t = shared.table()
---pool.each(function(word) t:add(word, 1) end, { "a", "b", "a" })
---print(t:get "a")                                                        --> 2
---```
---@param opts? {bytes: integer, file: string}
---@return luas.table t
function shared.table(opts) end

---@class luas.queue
local q = {}

---Puts a value: true, or false where the queue is still full.
---@param v any
---@param seconds? number
---@return boolean
function q:put(v, seconds) end

---Gives a value, or nil and `"timeout"` or `"closed"`.
---@param seconds? number
---@return any v
---@return string? why
function q:get(seconds) end

---For generic `for`, until it is closed and empty.
---@return fun(): any
function q:items() end

---Tells how many items wait; so does `#q`.
---@return integer n
function q:count() end

---No more `put`; what is there can still be got.
function q:close() end

---Says that an item that was got is done.
function q:done() end

---Waits until all items that were put are done; false if the time is over.
---@param seconds? number
---@return boolean
function q:join(seconds) end

---@class luas.lock
local l = {}

---Acquires: true, and `died` if who had it died with it; or false.
---@param seconds? number
---@return boolean
---@return table? died
function l:acquire(seconds) end

---Releases; raises where this process does not hold it.
function l:release() end

---Acquires, and releases where the block ends: `local g <close>, died = l:hold()`.
---@return any guard
---@return table? died
function l:hold() end

---@class luas.semaphore
local s = {}

---Takes a permit; false if the time is over.
---@param seconds? number
---@return boolean
function s:acquire(seconds) end

---Gives a permit back.
function s:release() end

---Tells how many permits are free.
---@return integer n
function s:count() end

---@class luas.event
local e = {}

---Sets it: who waits goes on.
function e:set() end

---Makes it unset.
function e:clear() end

---Is it set?
---@return boolean
function e:is_set() end

---Waits until it is set; false if the time is over.
---@param seconds? number
---@return boolean
function e:wait(seconds) end

---@class luas.condition
local c = {}

---Waits for a notice, without the lock meanwhile.
---@param seconds? number
---@return boolean
function c:wait(seconds) end

---Waits until `f()` is true.
---@param f fun(): boolean
---@param seconds? number
---@return boolean
function c:wait_for(f, seconds) end

---Wakes n, 1 by default.
---@param n? integer
function c:notify(n) end

---Wakes all that wait.
function c:notify_all() end

---@class luas.barrier
local b = {}

---Waits for all, and gives each a place from 1; raises `{broken = true, pid =, worker =}` where one has died or given up.
---@param seconds? number
---@return integer place
function b:wait(seconds) end

---Makes a broken barrier whole.
function b:reset() end

---@class luas.value
local v = {}

---Reads.
---@return number|boolean
function v:get() end

---Writes; an integer outside its type raises.
---@param x number|boolean
function v:set(x) end

---Adds, and gives the sum; it wraps.
---@param x number
---@return number sum
function v:add(x) end

---Writes, and gives what was there.
---@param x number|boolean
---@return number|boolean before
function v:swap(x) end

---Writes `new` where `old` is: true; or false and what is there.
---@param old number|boolean
---@param new number|boolean
---@return boolean
---@return number|boolean? there
function v:compare_exchange(old, new) end

---@class luas.array
---@field [integer] number|boolean
local a = {}

---Adds to number i, and gives the sum.
---@param i integer
---@param x number
---@return number sum
function a:add(i, x) end

---Writes all.
---@param x number|boolean
function a:fill(x) end

---Gives a table of those from i to j, as `string.sub` counts.
---@param i? integer
---@param j? integer
---@return table
function a:slice(i, j) end

---Gives a string of those from i to j.
---@param i? integer
---@param j? integer
---@return string
function a:bytes(i, j) end

---@class luas.table
local t = {}

---Reads.
---@param k boolean|number|string
---@return any v
function t:get(k) end

---Writes; nil deletes.
---@param k boolean|number|string
---@param v any
function t:set(k, v) end

---Adds to a number, 0 where there is none; gives the sum.
---@param k boolean|number|string
---@param n number
---@return number sum
function t:add(k, n) end

---Writes `f(value)`; deletes where f gives nil, changes nothing where it raises.
---@param k boolean|number|string
---@param f fun(v: any): any
---@return any v
function t:update(k, f) end

---For generic `for`, as `pairs(t)`; locks nothing in between.
function t:pairs() end

---Tells how many keys there are; so does `#t`.
---@return integer n
function t:count() end

---Deletes all.
function t:clear() end

---Does all that `f(t)` does, or nothing; gives what f gives.
---@param f fun(t: luas.table): any
---@return any ...
function t:atomically(f) end

---Writes a copy as an LMDB file.
---@param path string
function t:save(path) end

---@class luas.module
---@field pool luas.poolmodule
---@field process luas.processmodule
---@field shared luas.sharedmodule
---@field version string
---@field report fun(message: string)|nil  is given the errors that nobody can catch
local luas = {}
luas.pool, luas.process, luas.shared = pool, process, shared
return luas
