// usage: node tests/lint/dockerfile.mjs DOCKERFILE…
// Holds Dockerfiles against the builder's own grammar, and against what ours promise: bases with a tag, packages
// without recommendations and without lists left behind, a numeric user that is not root, commands that no shell wraps.
import { readFileSync } from "node:fs";
import { DockerfileParser } from "dockerfile-ast";
import { validate, ValidationSeverity } from "dockerfile-utils";

/** Findings of one file, as [line counted from 0, what]. */
function findings(text) {
  const found = validate(text).map(({ range, severity, message }) => [
    range.start.line, `${severity === ValidationSeverity.WARNING ? "warning" : "error"}: ${message}`]);
  const file = DockerfileParser.parse(text);
  const say = (instruction, what) => found.push([instruction.getRange().start.line, what]);
  if (/^#\s*syntax\s*=/im.test(text)) found.push([0, "a syntax line fetches an image before anything is built"]);
  const stages = new Map(); // name of a stage → what its image says
  let stage = {};
  for (const one of file.getInstructions()) {
    const name = one.getKeyword();
    const words = one.getArguments().map((word) => word.getValue());
    const whole = one.getRawArgumentsContent() ?? "";
    if (name === "FROM") {
      const image = one.getImage();
      const known = image === "scratch" || stages.has(image) || image.includes("$");
      if (!known && (!/[:@]/.test(image) || image.endsWith(":latest"))) say(one, `${image}: name a tag or a digest`);
      stage = { ...stages.get(image), from: one, command: false };
      if (one.getBuildStage()) stages.set(one.getBuildStage(), stage);
    }
    if (name === "ADD") say(one, "COPY says what it does; ADD unpacks and downloads");
    if (name === "MAINTAINER") say(one, "use a label");
    if (name === "RUN" && /apt(-get)?\s[^&|;]*install/.test(whole)) {
      if (/\bapt\s/.test(whole)) say(one, "apt is for people: use apt-get");
      if (!whole.includes("--no-install-recommends")) say(one, "apt-get install without --no-install-recommends");
      if (!/\s(-y|-qq|--yes|-yq+|-qqy)\b/.test(whole)) say(one, "apt-get install without -y");
      const kept = !/rm -rf \/var\/lib\/apt\/lists/.test(whole);
      if (kept && !/target=\/var\/lib\/apt/.test(one.toString())) say(one, "package lists are left behind");
    }
    if (["ENV", "ARG"].includes(name) && /(SECRET|PASSWORD|TOKEN)\w*=./.test(whole)) say(one, "a secret in the image");
    if (name === "USER") stage.user = words[0];
    if (["CMD", "ENTRYPOINT"].includes(name)) {
      stage.command = true;
      if (!whole.trimStart().startsWith("[")) say(one, `${name} in a shell: signals would not reach the program`);
    }
    if (name === "HEALTHCHECK") {
      stage.health = true;
      if (words[0] !== "NONE" && !/CMD\s*\[/.test(whole)) say(one, "HEALTHCHECK in a shell: the image may have none");
    }
    if (name === "WORKDIR" && !/^[/$"]/.test(words[0] ?? "")) say(one, "WORKDIR wants an absolute path");
  }
  stages.set("the last", stage);
  for (const { from, user, health, command } of new Set(stages.values())) {
    if (!command) continue; // made to be built upon
    if (!/^[1-9][0-9]*(:|$)/.test(user ?? "")) say(from, "its programs run as root or by a name: USER wants a number");
    if (!health) say(from, "an image of programs without a HEALTHCHECK");
  }
  return found;
}

let bad = process.argv.length < 3;
for (const path of process.argv.slice(2)) {
  for (const [line, what] of findings(readFileSync(path, "utf8"))) {
    console.error(`${path}:${line + 1}: ${what}`);
    bad = true;
  }
}
process.exit(bad ? 1 : 0);
