// app.js
//
// One of the four workers, whatever has started it. It waits for orders in DIRECTORY, one file for each
// part of a run, says its numbered lines in the way that WAY names, and leaves a note when it has said
// them all. The lines are those of tests/e2e/support/lines.rs.

'use strict';

const cluster = require('cluster');
const fs = require('fs');

const { DIRECTORY, WAY, SETTINGS } = process.env;
// A unit says which of them it is, PM2 does, Node's own cluster does.
const index = Number(process.env.INDEX ?? process.env.NODE_APP_INSTANCE ?? cluster.worker.id - 1);

/** What a worker calls for each line. */
const WAYS = {
  console: () => (line) => console.log(line),
  stream: () => {
    const file = fs.createWriteStream(`${DIRECTORY}/plain/app-${index}.log`, { flags: 'a' });
    return (line) => file.write(`${line}\n`);
  },
  log4js: () => {
    const log4js = require('log4js');
    log4js.configure(JSON.parse(SETTINGS));
    const logger = log4js.getLogger();
    return (line) => logger.info(line);
  },
  pino: () => {
    const logger = require('pino')(JSON.parse(SETTINGS));
    return (line) => logger.info(line);
  },
  winston: () => {
    const { createLogger, format } = require('winston');
    const { Logagent } = require('logagent/winston');
    const transports = [new Logagent(JSON.parse(SETTINGS))];
    const logger = createLogger({ format: format.printf(({ message }) => message), transports });
    return (line) => logger.info(line);
  },
};

const FILLER_BYTES = 103;
const filler = Array.from({ length: 3 * 26 + FILLER_BYTES }, (_, at) =>
  String.fromCharCode(97 + ((at * at + Math.floor(at / 7)) % 26)),
).join('');

/** Line `number` of a client, without its newline. */
function line(client, number) {
  const start = (client * 31 + number) % 78;
  const text = filler.slice(start, start + FILLER_BYTES);
  return `${String(client).padStart(5, '0')} ${String(number).padStart(9, '0')} ${text}`;
}

/** A file appears with all that stands in it. */
function write(name, text) {
  fs.writeFileSync(`${DIRECTORY}/notes/${name}.new`, text);
  fs.renameSync(`${DIRECTORY}/notes/${name}.new`, `${DIRECTORY}/notes/${name}`);
}

const log = WAYS[WAY]();

/**
 * Says all lines of an order: so many a second, at random times as requests come, so that workers do
 * not go in step; or as many as it can.
 */
function obey({ part, clients, lines, perSecond }) {
  const client = clients + index;
  let said = 0;
  let due = performance.now();
  const say = () => {
    const now = performance.now();
    for (let turn = 0; said < lines && (perSecond ? due <= now : turn < 100); turn++) {
      log(line(client, said++));
      due -= (Math.log(1 - Math.random()) * 1000) / perSecond;
    }
    if (said < lines) return perSecond ? setTimeout(say, 1) : setImmediate(say);
    write(`done-${part}-${index}`, '');
    wait(part + 1);
  };
  say();
}

function wait(part) {
  const look = () => {
    const order = `${DIRECTORY}/notes/order-${part}`;
    if (!fs.existsSync(order)) return;
    clearInterval(looking);
    obey({ part, ...JSON.parse(fs.readFileSync(order)) });
  };
  const looking = setInterval(look, 5);
}

wait(1);
write(`ready-${index}`, '');
