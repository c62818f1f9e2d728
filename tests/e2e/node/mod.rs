//! For people who come from Node.js: the ways in, with the real packages.

mod absence;
mod appenders;
mod cluster;
mod exits;
mod log4js_tcp;
mod marks;
mod pm2;
mod pm2_commands;
mod pm2_order;
mod pm2_systemd;
mod programs;
