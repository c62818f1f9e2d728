'use strict';

// exit.js CLIENT LINES ENDING NOTE
//
// Logs LINES numbered lines in one go, by the way in that WAY_IN names, and comes to its ENDING. At its
// end it writes to NOTE how many lines were taken, as far as its way in says.

const fs = require('node:fs');
const { numbered } = require('./numbered');
const { open } = require('./ways_in');

const [client, lines, ending, note] = process.argv.slice(2);

if (process.env.BLOCKING) {
  process.stdout._handle?.setBlocking?.(true);
}

const way = open(process.env.WAY_IN);
let logged = 0;

function logAll() {
  for (; logged < Number(lines); logged++) {
    way.log(numbered(Number(client), logged));
  }
}

const endings = {
  'exit'() {
    process.exit(1);
  },
  'end, then exit'() {
    way.end(() => process.exit(1));
  },
  'exception'() {
    throw new Error('nobody catches it');
  },
  'rejection'() {
    Promise.reject(new Error('nobody handles it'));
  },
  'SIGTERM'() {
    process.kill(process.pid, 'SIGTERM');
    setInterval(() => {}, 1000);
  },
  'SIGTERM, handled'() {
    process.on('SIGTERM', () => process.exit(0));
    process.kill(process.pid, 'SIGTERM');
    setInterval(() => {}, 1000);
  },
  'nothing'() {},
};

process.on('exit', () => {
  // Behind the package's own.
  fs.writeFileSync(note, String(way.taken?.() ?? logged));
});

if (ending === 'kill') {
  setInterval(() => {
    for (const end = logged + 50; logged < end; logged++) {
      way.log(numbered(Number(client), logged));
    }
  }, 1);
} else {
  logAll();
  endings[ending]();
}
