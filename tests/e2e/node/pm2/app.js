// Logs numbered lines until it is told to end; every tenth is an error.
'use strict';

const fs = require('fs');
const http = require('http');
const path = require('path');

const numbers = process.env.NUMBERS;
const linesPerTick = Number(process.env.LINES_PER_TICK || 5);
const crashAfter = Number(process.env.CRASH_AFTER || Infinity);
const isLong = process.env.LONG_LINES === 'yes';

/** Every process has a number of its own: the first directory that it could make. */
function takeNumber() {
  for (let number = 0; ; number += 1) {
    try {
      fs.mkdirSync(path.join(numbers, String(number)));
      return number;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
}

const filler = Array.from({ length: 181 }, (_, at) =>
  String.fromCharCode(97 + ((at * at + Math.floor(at / 7)) % 26))).join('');

function numberedLine(client, number) {
  const start = (client * 31 + number) % 78;
  const [who, which] = [String(client).padStart(5, '0'), String(number).padStart(9, '0')];
  return `${who} ${which} ${filler.slice(start, start + 103)}`;
}

/** Lines of up to 20,000 bytes, each of one letter. */
function longLine(client, number) {
  const letter = String.fromCharCode(97 + ((client + number) % 26));
  const bytes = 1 + ((number * 7919) % 20000);
  return `${client} ${number} ${bytes} ${letter.repeat(bytes)}`;
}

const line = isLong ? longLine : numberedLine;
const client = takeNumber();
const own = path.join(numbers, String(client));
fs.writeFileSync(path.join(own, 'app'), process.env.name || '');
let [out, err] = [0, 0];

function sent() {
  fs.writeFileSync(path.join(own, 'sent.new'), `${out} ${err}`);
  fs.renameSync(path.join(own, 'sent.new'), path.join(own, 'sent'));
}

const timer = setInterval(() => {
  if (fs.existsSync(path.join(numbers, 'end'))) {
    clearInterval(timer);
    sent();
    return;
  }
  for (let each = 0; each < linesPerTick; each += 1) {
    console.log(line(client, out));
    out += 1;
    if (out % 10 === 0) {
      console.error(line(client + 50000, err));
      err += 1;
    }
    if (out === crashAfter) process.exit(1);
  }
}, 5);

// PM2's stop, restart and reload.
process.on('SIGINT', () => {
  clearInterval(timer);
  process.stderr.write('', 'utf8', () => process.stdout.write('', 'utf8', () => process.exit(0)));
});
process.on('exit', sent);

// `pm2 reload` waits for this.
http.createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
