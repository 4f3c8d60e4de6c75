/// <reference lib="dom" />
import type { PageData } from '../page-data.js';
import { byId } from './dom.js';
import { showTable } from './tables.js';
import { showTreemap } from './treemap.js';

const data = JSON.parse(byId('data').textContent) as PageData;
showTreemap(data.tree);
for (const table of data.tables) showTable(table);
document.documentElement.classList.add('ready');
