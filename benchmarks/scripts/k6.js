// k6's part: the GET, the journey and the paced GET.
import http from 'k6/http';
import { check } from 'k6';

const { BENCH_KIND: kind, BENCH_URL: url, BENCH_SECONDS: seconds, BENCH_RATE: rate } = __ENV;
const load = kind === 'paced'
  ? { executor: 'constant-arrival-rate', rate: Number(rate), timeUnit: '1s', duration: `${seconds}s`, preAllocatedVUs: 400 }
  : { executor: 'constant-vus', vus: Number(__ENV.BENCH_CONNECTIONS), duration: `${seconds}s`, gracefulStop: '2s' };

export const options = {
  scenarios: { bench: load },
  insecureSkipTLSVerify: true,
  summaryTrendStats: ['med', 'p(95)', 'p(99)'],
};
const asJson = { 'Content-Type': 'application/json' };

export default function () {
  if (kind !== 'journey') {
    check(http.get(`${url}/small`), { 'is 200': (r) => r.status === 200 });
    return;
  }
  const signedIn = http.post(`${url}/sign-in`, JSON.stringify({ patron: 'A123456', pin: '2468' }), { headers: asJson });
  const bearer = { Authorization: `Bearer ${signedIn.json('token')}` };
  const list = http.get(`${url}/list`, { headers: bearer });
  const slot = list.json('free.0.id');
  const booked = http.post(`${url}/book`, JSON.stringify({ slot }), { headers: { ...asJson, ...bearer } });
  check(booked, { 'is 201': (r) => r.status === 201 });
}

export function handleSummary(data) {
  return { stdout: JSON.stringify(data.metrics) };
}
