-- wrk's part of the journey. A script belongs to a thread, so each thread has one connection (-t N -c N).
local json = { ["Content-Type"] = "application/json" }
local step, token, slot = 1, nil, nil

function request()
  if step == 1 then
    return wrk.format("POST", "/sign-in", json, '{"patron": "A123456", "pin": "2468"}')
  elseif step == 2 then
    return wrk.format("GET", "/list", { Authorization = "Bearer " .. token })
  end
  local headers = { ["Content-Type"] = "application/json", Authorization = "Bearer " .. token }
  return wrk.format("POST", "/book", headers, '{"slot": ' .. slot .. "}")
end

function response(status, headers, body)
  if step == 1 then
    token = string.match(body, '"token": "(%x+)"')
  elseif step == 2 then
    slot = string.match(body, '"id": (%d+)')
  elseif status ~= 201 then
    error("not booked: " .. status)
  end
  step = step % 3 + 1
end
