'use strict';

// told.js CLIENT
//
// Does what is said on its standard input, a word and a number a line, and answers each line on its
// standard output with how it is: how much it has logged, the longest pause of its event loop since
// the answer before, its memory, and what the way in counts.
//
// log N: logs N numbered lines, some at a time.
// wait MS: lets so much time pass.
// exit CODE: calls process.exit().
//
// With its standard input it ends by itself.

const { monitorEventLoopDelay } = require('node:perf_hooks');
const readline = require('node:readline');
const { setTimeout: pass } = require('node:timers/promises');
const { numbered } = require('./numbered');
const { open } = require('./ways_in');

const client = Number(process.argv[2]);
const { log, out } = open(process.env.WAY_IN);
const pauses = monitorEventLoopDelay({ resolution: 1 });
let logged = 0;

async function logSome(count) {
  for (const end = logged + count; logged < end;) {
    for (const some = Math.min(end, logged + 100); logged < some; logged++) {
      log(numbered(client, logged));
    }
    await pass(1);
  }
}

const work = { log: logSome, wait: pass, exit: (code) => process.exit(code) };

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [word, number] = line.split(' ');
    pauses.reset();
    pauses.enable();
    await work[word](Number(number));
    pauses.disable();
    const { rss } = process.memoryUsage();
    const counters = out?.counters;
    console.log(JSON.stringify({ logged, pause: Math.round(pauses.max / 1e6), rss, counters }));
  }
})();
