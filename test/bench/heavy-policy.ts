/** Bodies of rules over the tags of the store (`v1.0.7`), from the cheap to the dear. */
const BODIES = [
  "tags: ['v1.*'], keep: { last: 5 }",
  "tags: ['**'], keep: { within: 30d, daily: 7, weekly: 4, monthly: 6 }",
  "tags: ['v*'], keep: { last: 3, order: semver, per: major }",
  "tags: ['re:v\\d+\\.\\d+\\.\\d+'], drop: { older-than: 90d }",
  "tags: { include: ['v*'], exclude: ['*.7.*'] }, group-by: 're:v(\\d+)\\..*', keep: { last: 2 }",
  "tags: ['v?.3.*', '*-rc'], drop: { older-than: 180d }",
];

/** A policy of so many rules, each of which looks at every repository. */
export function heavyPolicy(rules: number): string {
  const lines = Array.from(
    { length: rules },
    (_, i) => `      - { name: r${i}, ${BODIES[i % BODIES.length] as string} }`,
  );
  return `version: 1
limits: { allow-empty-repository: true }
policies:
  - name: all
    repositories: ['**']
    rules:
${lines.join('\n')}
`;
}
