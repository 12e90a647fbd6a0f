// The command line of the Node.js member programs: GROUP TOPIC [NAME=VALUE]..., a member of the group until standard
// input ends. It says what it is assigned and what it reads, a JSON line each; README.md describes it.

/** `join(args, say)` joins and answers a function that leaves. */
export async function main(join) {
  const [group, topic, ...settings] = process.argv.slice(2);
  const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
  const options = Object.fromEntries(settings.map((text) => text.split('=')));
  let leave;
  const left = new Promise((resolve) => {
    process.stdin.once('data', resolve).once('end', resolve);
  });
  try {
    leave = await join({ group, topic, options, bootstrap: process.env.BOOTSTRAP }, say);
    await left;
    await leave();
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}

export const sorted = (partitions) => [...partitions].sort((a, b) => a - b);
