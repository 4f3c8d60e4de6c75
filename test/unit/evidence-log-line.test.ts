import { describe, expect, test } from 'vitest';
import { parseLogLine } from '../../src/evidence/log-line.ts';
import type { LogLine } from '../../src/evidence/log-line.ts';

const HEX = '9f'.repeat(32);
const AT = Date.UTC(2026, 9, 10, 13, 55, 36);

/** `pull shop/web:latest`, `other`, `none` for a line that is not recognised; and its sign. */
function show(line: string | Uint8Array): string {
  const found = parseLogLine(line);
  if (found === undefined) return 'none';
  return `${showKind(found)} ${found.sign}`;
}

function showKind(line: LogLine): string {
  if (line.kind === 'other') return 'other';
  const { repository, reference } = line;
  const text = 'tag' in reference ? `:${reference.tag}` : `@${reference.digest}`;
  return `pull ${repository}${text}`;
}

function access(request: string, status = 200): string {
  return `10.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "${request}" ${status} 88 "-" "docker/24.0.7"`;
}

function message(method: string, uri: string, status: number): string {
  const head = 'time="2026-10-10T13:55:36.91277151Z" level=info msg="response completed"';
  const request = `http.request.host="127.0.0.1:5941" http.request.method=${method} http.request.remoteaddr="127.0.0.1:36922" http.request.uri=${uri} http.request.useragent="a \\"b\\" http.request.uri=/v2/x/manifests/y c"`;
  return `${head} go.version=go1.19.8 ${request} http.response.duration="868.389µs" http.response.status=${status} http.response.written=88`;
}

function json(method: string, uri: string, status: number, time = 'time'): string {
  return JSON.stringify({
    'go.version': 'go1.19.8',
    'http.request.method': method,
    'http.request.uri': uri,
    'http.response.duration': '910.982µs',
    'http.response.status': status,
    level: 'info',
    [time === 'time' ? 'msg' : 'message']: 'response completed',
    [time]: '2026-10-10T13:55:36.284621Z',
  });
}

const GET = 'GET /v2/shop/web/manifests/latest HTTP/1.1';
const HARBOR = `10.0.0.1 - "${GET}" 200 1571 "-" "docker/20.10.12" 0.011 0.012 .`;

describe('each format', () => {
  test.each<[string, string]>([
    ['combined, of nginx, Apache and the registry itself', access(GET)],
    ['common', `10.0.0.1 - bob [10/Oct/2026:13:55:36 +0000] "${GET}" 200 88`],
    ['a zone of its own', `::1 - - [10/Oct/2026:06:55:36 -0700] "${GET}" 200 88`],
    ['vhost_combined', `hub.example.org:443 ${access(GET)}`],
    ['nginx with $time_iso8601', `10.0.0.1 - - [2026-10-10T15:55:36+02:00] "${GET}" 200 88`],
    ['a leading RFC 3339 time', `2026-10-10T13:55:36Z 10.0.0.1 "${GET}" 200 88`],
    ["the chart of Harbor's nginx", `[10/Oct/2026:13:55:36 +0000]:10.42.80.0 - "${GET}" 200 0 "-"`],
    [
      'an absolute URI',
      access('GET https://hub.example.org/v2/shop/web/manifests/latest HTTP/1.1'),
    ],
    ['a host called v2', access('GET http://v2/v2/shop/web/manifests/latest HTTP/1.1')],
    ['a path of a proxy before it', access('GET /hub/v2/shop/web/manifests/latest HTTP/1.1')],
    ['a query', access('GET /v2/shop/web/manifests/latest?ns=docker.io HTTP/1.1')],
    ['an encoded name', access('GET /v2/shop%2Fweb%2fmanifests/l%61test HTTP/1.1')],
    ['syslog before an access log', `Oct 10 13:55:36 172.18.0.1 registry[660]: ${access(GET)}`],
    [
      'syslog with RFC 3339 before Harbor',
      `2026-10-10T13:55:36.000000+00:00 h proxy[1]: ${HARBOR}`,
    ],
    [
      'json-file',
      JSON.stringify({ log: `${access(GET)}\n`, stream: 'stdout', time: '2026-10-11T00:00:00Z' }),
    ],
    [
      'json-file with Harbor, and its own time',
      JSON.stringify({ log: `${HARBOR}\n`, stream: 'stdout', time: '2026-10-10T13:55:36.5Z' }),
    ],
    ['a container runtime', `2026-10-11T13:55:36.912345678Z stdout F ${access(GET)}`],
    ['a container runtime and Harbor', `2026-10-10T13:55:36.012345678Z stdout F ${HARBOR}`],
    ['a line end of Windows', `${access(GET)}\r`],
  ])('%s', (_, line) => {
    const found = parseLogLine(line);
    expect(show(line)).toBe('pull shop/web:latest proof');
    expect(Math.floor((found?.timeMs ?? 0) / 1000) * 1000).toBe(AT);
    expect(parseLogLine(Buffer.from(line))).toEqual(found);
  });

  test.each<[string, string]>([
    ['text', message('HEAD', '/v2/shop/web/manifests/latest', 200)],
    ['text with a quoted URI', message('HEAD', '"/v2/shop/web/manifests/latest?x=1"', 200)],
    ['JSON', json('HEAD', '/v2/shop/web/manifests/latest', 200)],
    ['logstash', json('HEAD', '/v2/shop/web/manifests/latest', 200, '@timestamp')],
    [
      "Harbor's registry.log",
      `Jan  9 03:39:48 172.18.0.1 registry[660]: ${message('HEAD', '/v2/shop/web/manifests/latest', 200)}`,
    ],
    [
      'JSON behind syslog',
      `Jan  9 03:39:48 h registry[660]: ${json('HEAD', '/v2/shop/web/manifests/latest', 200)}`,
    ],
    [
      'text in json-file',
      JSON.stringify({
        log: `${message('HEAD', '/v2/shop/web/manifests/latest', 200)}\n`,
        stream: 'stderr',
        time: '2026-10-11T00:00:00Z',
      }),
    ],
    [
      'JSON in json-file',
      JSON.stringify({
        log: `${json('HEAD', '/v2/shop/web/manifests/latest', 200)}\n`,
        stream: 'stderr',
        time: '2026-10-11T00:00:00Z',
      }),
    ],
  ])("the registry's messages: %s", (_, line) => {
    const found = parseLogLine(line);
    expect(show(line)).toBe('pull shop/web:latest proof');
    expect(Math.floor((found?.timeMs ?? 0) / 1000) * 1000).toBe(AT);
  });

  test('a message about a GET is a pull, and no proof that those about HEADs are not left out', () => {
    expect(show(message('GET', '/v2/shop/web/manifests/latest', 200))).toBe(
      'pull shop/web:latest life',
    );
    expect(show(json('GET', `/v2/a/manifests/sha256:${HEX}`, 200))).toBe(
      `pull a@sha256:${HEX} life`,
    );
  });
});

describe('what counts as a pull', () => {
  test.each<[string, string]>([
    [
      access(`HEAD /v2/shop/web/manifests/sha256:${HEX} HTTP/1.1`, 304),
      `pull shop/web@sha256:${HEX} proof`,
    ],
    [
      access(`GET /v2/shop/web/manifests/sha256%3A${HEX} HTTP/1.1`),
      `pull shop/web@sha256:${HEX} proof`,
    ],
    [access('GET /v2/a/manifests/b/manifests/v1 HTTP/1.1'), 'pull a/manifests/b:v1 proof'],
    [access('GET /v2/v2/web/manifests/v1 HTTP/1.1'), 'pull v2/web:v1 proof'],
    [access(GET, 404), 'other life'],
    [access(GET, 401), 'other life'],
    [access(GET, 500), 'other life'],
    [access(GET, 301), 'other proof'],
    [access('PUT /v2/shop/web/manifests/latest HTTP/1.1', 201), 'other proof'],
    [access('DELETE /v2/shop/web/manifests/latest HTTP/1.1', 202), 'other proof'],
    [access('GET /v2/ HTTP/1.1'), 'other proof'],
    [access('GET /v2 HTTP/1.1', 401), 'other life'],
    [access('GET /v2/shop/web/tags/list HTTP/1.1'), 'other proof'],
    [access(`GET /v2/shop/web/blobs/sha256:${HEX} HTTP/1.1`), 'other proof'],
    [access('GET / HTTP/1.1'), 'other none'],
    [access('GET /search?q=/v2/shop/web/manifests/latest HTTP/1.1'), 'other none'],
    [access('POST /notifications HTTP/1.1'), 'other none'],
    [access('-', 400), 'other none'],
    [access('\\x16\\x03\\x01', 400), 'other none'],
    ['time="2026-10-10T13:55:36Z" level=info msg="listening on [::]:5000"', 'other none'],
    [message('GET', '/v2/shop/web/manifests/latest', 404), 'other life'],
  ])('%s', (line, expected) => {
    expect(show(line)).toBe(expected);
  });

  test("the registry's notifications are none", () => {
    const event = {
      id: '1',
      timestamp: '2026-10-10T13:55:36Z',
      action: 'pull',
      target: {
        digest: `sha256:${HEX}`,
        repository: 'shop/web',
        url: `http://h/v2/shop/web/manifests/sha256:${HEX}`,
        tag: 'latest',
      },
      request: { id: '2', addr: '10.0.0.1', host: 'h', method: 'GET', useragent: 'docker' },
    };
    expect(show(JSON.stringify({ events: [event] }))).toBe('none');
    expect(show(JSON.stringify(event))).toBe('none');
    const failed = `time="2026-10-10T13:55:36Z" level=error msg="retryingsink: error writing events: httpSink{http://hook/v2/shop/web/manifests/latest}" http.response.status=200`;
    expect(show(failed)).toBe('other none');
    expect(show(access('POST /v2/hook/manifests/latest HTTP/1.1'))).toBe('other proof');
  });
});

describe('what is hostile or broken', () => {
  test.each<[string, string]>([
    ['a name that is none', access('GET /v2/../etc/manifests/latest HTTP/1.1')],
    ['upper case', access('GET /v2/Shop/manifests/latest HTTP/1.1')],
    ['a control character', access('GET /v2/shop%0a/manifests/latest HTTP/1.1')],
    ['twice encoded', access('GET /v2/shop%252Fweb/manifests/latest HTTP/1.1')],
    ['half an escape', access('GET /v2/shop%2/manifests/latest HTTP/1.1')],
    ['a tag that is none', access('GET /v2/shop/manifests/-x HTTP/1.1')],
    ['a long tag', access(`GET /v2/shop/manifests/${'x'.repeat(129)} HTTP/1.1`)],
    ['a short digest', access('GET /v2/shop/manifests/sha256:abc HTTP/1.1')],
    ['no reference', access('GET /v2/shop/manifests/ HTTP/1.1')],
    ['no name', access('GET /v2/manifests/latest HTTP/1.1')],
    ['__proto__', access('GET /v2/__proto__/manifests/latest HTTP/1.1')],
  ])('%s is no pull', (_, line) => {
    expect(show(line)).toBe('other proof');
  });

  test('what a client wrote passes for no other time or request', () => {
    const user =
      '10.0.0.1 - x [01/Jan/2020:00:00:00 +0000] [10/Oct/2026:13:55:36 +0000] "GET /v2/ HTTP/1.1" 200 2';
    expect(parseLogLine(user)?.timeMs).toBe(AT);
    const quoted = access('GET /v2/ HTTP/1.1').replace('docker/24.0.7', `\\" ${access(GET)}`);
    expect(show(quoted)).toBe('other proof');
    const escaped = access('GET /x\\" 200 1 \\"GET /v2/shop/manifests/y HTTP/1.1', 404);
    expect(show(escaped)).toBe('other none');
  });

  test.each<[string, string]>([
    ['nothing', ''],
    ['no year', `Oct 10 13:55:36 172.18.0.1 proxy[21482]: ${HARBOR}`],
    ['no time at all', HARBOR],
    ['a time without a zone', `2026-10-10T13:55:36 10.0.0.1 "${GET}" 200`],
    ['a day that is none', access(GET).replace('10/Oct', '31/Feb')],
    ['a month that is none', access(GET).replace('Oct', 'Okt')],
    ['an hour that is none', access(GET).replace(':13:', ':24:')],
    [
      'a terminal, with no time of day',
      'INFO[0000] response completed http.request.uri="/v2/" http.response.status=200',
    ],
    ["nginx's error log", '2026/10/10 13:55:36 [error] 31#31: *1 open() "/v2/x" failed'],
    ['half a line', access(GET).slice(0, 70)],
    [
      'half an entry',
      JSON.stringify({ log: access(GET), time: '2026-10-11T00:00:00Z' }).slice(0, -3),
    ],
    ['JSON that is no object', '{"'],
    ['entries in entries', wrap(access(GET), 6)],
  ])('%s is not recognised', (_, line) => {
    expect(show(line)).toBe('none');
  });

  test('the 29th of February is a day in some years', () => {
    expect(show(access(GET).replace('10/Oct/2026', '29/Feb/2024'))).toBe(
      'pull shop/web:latest proof',
    );
    expect(show(access(GET).replace('10/Oct/2026', '29/Feb/2026'))).toBe('none');
  });
});

function wrap(line: string, times: number): string {
  return times === 0
    ? line
    : JSON.stringify({ log: wrap(line, times - 1), time: '2026-10-11T00:00:00Z' });
}
