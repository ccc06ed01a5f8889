--- Checks of arguments. A wrong argument raises an error that names the line of the
--- script that called.

local core = require "luas.core"

local M = {}

--- Raises a message that names the line outside of luas that called into it.
---@param message string
function M.fail(message)
    error(core.caller() .. message, 0)
end

--- Wraps each method so that a call with a dot, which passes no object, raises an error
--- that says what to write.
---@param methods table<string, function>
---@param class table    the metatable of the objects
---@param object string  what an object is called in messages
function M.methods(methods, class, object)
    for name, method in pairs(methods) do
        if type(method) == "function" and not name:find "^__" then
            methods[name] = function(self, ...)
                if getmetatable(self) == class then return method(self, ...) end
                M.fail(("'%s' is a method: write %s:%s(...) with a colon"):format(
                    name, object, name))
            end
        end
    end
end

--- Raises for a function that was called with a colon.
---@param called string  its module's name
---@param name string
function M.ask_for_dot(called, name)
    M.fail(("'%s' is a function of the module: write %s.%s(...) with a dot"):format(
        name, called, name))
end

--- Raises unless `v` is of one of the types named in `expected`.
---@param v any
---@param position integer
---@param what string
---@param expected string  such as "function" or "table or function"
function M.argument(v, position, what, expected)
    local t = type(v)
    for name in expected:gmatch "%a+" do
        if t == name then return end
    end
    M.fail(("bad argument #%d to '%s' (%s expected, got %s)"):format(
        position, what, expected, v == nil and "no value" or t))
end

--- Raises unless `v` is a number that is not NaN.
---@param v any
---@param position integer
---@param what string
function M.number(v, position, what)
    if type(v) == "number" and v == v then return end
    M.fail(("bad argument #%d to '%s' (number expected, got %s)"):format(
        position, what, type(v) == "number" and "NaN" or v == nil and "no value" or type(v)))
end

--- Can it be called?
---@param f any
---@return boolean
function M.is_callable(f)
    local meta = getmetatable(f)
    return type(f) == "function" or type(meta) == "table" and meta.__call ~= nil
end

--- Raises unless `f` can be called.
---@param f any
---@param what string
---@param position integer?  by default 1
function M.callable(f, what, position)
    if not M.is_callable(f) then M.argument(f, position or 1, what, "function") end
end

--- A timeout argument: the seconds to wait, nil for as long as it takes. Less
--- than 0 counts as 0, for a deadline that has passed.
---@param v number?
---@param position integer
---@param what string
---@return number?
function M.timeout(v, position, what)
    if v == nil or v == math.huge then return nil end
    if type(v) ~= "number" or v ~= v then
        M.fail(("bad argument #%d to '%s' (a number of seconds expected, got %s)"):format(
            position, what, type(v) == "number" and "NaN" or type(v)))
    end
    return math.max(v, 0)
end

return M
