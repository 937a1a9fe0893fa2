// autocannon's part of the journey, by its programmatic interface.
const { createRequire } = require('node:module');
const autocannon = createRequire(`${process.env.BENCH_MODULES}/`)('autocannon');

const asJson = { 'content-type': 'application/json' };
autocannon(
  {
    url: process.env.BENCH_URL,
    connections: Number(process.env.BENCH_CONNECTIONS),
    duration: Number(process.env.BENCH_SECONDS),
    requests: [
      {
        method: 'POST', path: '/sign-in', headers: asJson, body: JSON.stringify({ patron: 'A123456', pin: '2468' }),
        onResponse: (status, body, context) => { context.token = JSON.parse(body).token; },
      },
      {
        method: 'GET', path: '/list',
        setupRequest: (request, context) => ({ ...request, headers: { authorization: `Bearer ${context.token}` } }),
        onResponse: (status, body, context) => { context.slot = JSON.parse(body).free[0].id; },
      },
      {
        method: 'POST', path: '/book',
        setupRequest: (request, context) => ({
          ...request,
          headers: { ...asJson, authorization: `Bearer ${context.token}` },
          body: JSON.stringify({ slot: context.slot }),
        }),
      },
    ],
  },
  (error, result) => {
    if (error) throw error;
    process.stdout.write(JSON.stringify(result));
  },
);
