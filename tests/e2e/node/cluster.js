'use strict';

// cluster.js WHAT LIVES LINES OUTCOME
//
// A primary and four workers that log numbered lines, each life as a client of its own, the primary
// as client 0, by the way in that WAY_IN names. It ends when its standard input does, or with SIGTERM,
// or with the last life, and writes to OUTCOME how many lines each has logged.
//
// serve: workers log LINES lines every millisecond until they are told to end.
// exit: a worker logs LINES lines and calls process.exit(1); the next one is forked.
// killed: a worker logs until it is killed; the next one is forked.

const cluster = require('node:cluster');
const fs = require('node:fs');
const { numbered } = require('./numbered');
const { open } = require('./ways_in');

const WORKERS = 4;
const [what, lives, lines, outcome] = process.argv.slice(2);

const { log } = open(process.env.WAY_IN ?? 'stdout');
const logNumbered = (client, number) => {
  const letter = String.fromCharCode(97 + (client % 26));
  log(numbered(client, number) + letter.repeat(Number(process.env.LONGER ?? 0)));
};

function primary() {
  const logged = {};
  let born = 0;
  let isEnding = false;
  let said = 0;

  const say = () => logNumbered(0, said++);
  const beat = setInterval(say, 5);

  function bear() {
    const client = ++born;
    logged[client] = what === 'exit' ? Number(lines) : null;
    const worker = cluster.fork({ CLIENT: client, NODE_APP_INSTANCE: client - 1 });
    worker.on('message', (count) => {
      logged[client] = count;
    });
    worker.on('exit', () => {
      say();
      if (what !== 'serve' && born < Number(lives)) {
        bear();
      } else if (Object.keys(cluster.workers).length === 0) {
        end();
      }
    });
    if (what === 'killed') {
      worker.on('online', () => {
        setTimeout(() => worker.process.kill('SIGKILL'), 10 + Math.random() * 40);
      });
    }
  }

  function end() {
    clearInterval(beat);
    say();
    process.stdin.destroy();
    logged[0] = said;
    fs.writeFileSync(outcome, JSON.stringify(logged));
  }

  function stop() {
    if (!isEnding) {
      isEnding = true;
      for (const worker of Object.values(cluster.workers)) {
        worker.send('end');
      }
    }
  }

  for (let worker = 0; worker < WORKERS; worker++) {
    bear();
  }
  process.on('SIGTERM', stop);
  if (!process.env.INVOCATION_ID) {
    process.stdin.on('end', stop).resume();
  }
}

function worker() {
  const client = Number(process.env.CLIENT);
  let logged = 0;
  const say = (count) => {
    for (const end = logged + count; logged < end; logged++) {
      logNumbered(client, logged);
    }
  };
  if (what === 'exit') {
    say(Number(lines));
    process.exit(1);
  }
  const beat = setInterval(say, 1, Number(lines));
  process.on('message', () => {
    clearInterval(beat);
    process.send(logged, () => process.disconnect());
  });
}

if (cluster.isPrimary) {
  primary();
} else {
  worker();
}
