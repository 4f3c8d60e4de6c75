#!/usr/bin/env node
import { main } from '../dist/cli/main.js';
import { settleHeap } from '../dist/cli/settle.js';
process.exitCode = await main(process.argv.slice(2));
settleHeap();
