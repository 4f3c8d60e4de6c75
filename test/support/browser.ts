/** The distribution's own Chromium, and pages of it that are watched. */
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';

const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--no-first-run',
  '--disable-component-update',
  '--disable-sync',
];

export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS });
}

/** A page that was opened from a file, and what went on while it was looked at. */
export interface WatchedPage {
  readonly page: Page;
  /** What the console said, and errors that nobody caught. */
  readonly complaints: string[];
  /** Requests besides the one for the file itself. */
  readonly requests: string[];
}

export async function openPage(
  browser: Browser,
  file: string,
  colorScheme: 'light' | 'dark' = 'light',
): Promise<WatchedPage> {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1240, height: 900 } });
  const complaints: string[] = [];
  const requests: string[] = [];
  const own = pathToFileURL(file).href;
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== own) requests.push(request.url());
  });
  await page.goto(own);
  await page.waitForSelector('html.ready');
  return { page, complaints, requests };
}
