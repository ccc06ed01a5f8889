// The rows in Node.js, with piscina, whose workers are threads:
//
//   NODE_PATH=FOLDER node piscina.js ROW COUNT CPUS
//
// Says how many `seconds` the work took and a `result` that shows that it was
// done.
'use strict';
const { isMainThread } = require('node:worker_threads');
const { Piscina, workerData } = require('piscina');

// ---- in a worker ----

const tasks = {
  same: (x) => x,
  square: (x) => x * x,
  raisePrice: (row) => ({ id: row.id, name: row.name, price: row.price + 1 }),
  // Moved, not copied, as the manual of piscina advises.
  block: () => Piscina.move(Buffer.alloc(4 << 20, 'x').buffer),
  lookUp: (i) => workerData[i * 1000],
  // A thread's CPU time cannot be had in this version of Node.js.
  spin: (seconds) => {
    const stop = performance.now() + seconds * 1000;
    while (performance.now() < stop);
    return 1;
  },
};

// ---- in the host ----

let begun;
const begin = () => { begun = performance.now(); };
const end = () => { console.log(`seconds ${(performance.now() - begun) / 1000}`); };
const integers = (n) => Array.from({ length: n }, (_, i) => i + 1);
const sum = (list) => list.reduce((a, b) => a + b, 0);

function open(workers, workerData) {
  return new Piscina({
    filename: __filename, minThreads: workers, maxThreads: workers, workerData,
  });
}

const map = (pool, name, items) => Promise.all(items.map((x) => pool.run(x, { name })));

async function mapped(cpus, name, items, small = items.slice(0, 8)) {
  const pool = open(cpus);
  for (let i = process.env.BENCH_COLD ? 3 : 0; i < 3; i++) await map(pool, name, small);
  begin();
  const results = await map(pool, name, items);
  end();
  await pool.destroy();
  return results;
}

async function captured(n, cpus) {
  const table = Array.from({ length: 1000001 }, (_, i) => i * 2);
  const items = integers(n);
  begin();
  const pool = open(cpus, table);
  const results = await map(pool, 'lookUp', items);
  await pool.destroy();
  end();
  return sum(results);
}

async function start(n) {
  let done = 0;
  begin();
  for (let i = 0; i < n; i++) {
    const pool = open(8);
    done += (await map(pool, 'same', integers(8))).length;
    await pool.destroy();
  }
  end();
  return done;
}

async function first(_, cpus) {
  begin();
  const pool = open(cpus);
  const answer = await pool.run(1, { name: 'same' });
  end();
  await pool.destroy();
  return answer;
}

async function again(n, cpus) {
  const pool = open(cpus);
  await pool.run(1, { name: 'same' });
  await pool.destroy();
  return first(n, cpus);
}

async function rtt(n, cpus) {
  const pool = open(cpus);
  let done = 0;
  await map(pool, 'same', integers(8));
  begin();
  for (let i = 0; i < n; i++) done += (await pool.run(i, { name: 'same' })) === i;
  end();
  await pool.destroy();
  return done;
}

function prices(n) {
  return integers(n).map((i) => ({ id: i, name: `row ${i % 100}`, price: i / 4 }));
}

function lengths(n) {
  return integers(n).map((i) => (1 + 49 * ((i * 7919 % 200) / 199) ** 3) / 1000);
}

const rows = {
  tiny: async (n, cpus) => sum(await mapped(cpus, 'same', integers(n))),
  // Exact beyond 2^53 too, which a serial sum of doubles is not.
  cheap: async (n, cpus) => (await mapped(cpus, 'square', integers(n)))
    .reduce((a, b) => a + BigInt(b), 0n),
  rows: async (n, cpus) =>
    4 * sum((await mapped(cpus, 'raisePrice', prices(n))).map((row) => row.price)),
  blob: async (n, cpus) =>
    sum((await mapped(cpus, 'block', integers(n))).map((b) => b.byteLength)),
  cpu: async (n, cpus) => sum(await mapped(cpus, 'spin', lengths(n), Array(8).fill(0))),
  rtt, start, captured, first, again,
};

async function main(row, count, cpus) {
  console.log(`result ${await rows[row](Number(count), Number(cpus))}`);
}

if (isMainThread) main(...process.argv.slice(2));
else module.exports = tasks;
