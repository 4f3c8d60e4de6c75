#!/usr/bin/env node
const { main } = require('../dist/cli/main.js');
// Until it is known: where nothing is left to wait for, Node would end as if all were well.
process.exitCode = 1;
void main(process.argv.slice(2)).then((code) => (process.exitCode = code));
