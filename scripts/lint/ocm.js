/** Rules of this repository that oxlint does not bring along. */

// The clock that `new Date()` reads is handed in, like every other (Date.now is refused by a rule of oxlint's own).
const noAmbientClock = {
  create: (context) => ({
    NewExpression(node) {
      if (
        node.callee.type === 'Identifier' &&
        node.callee.name === 'Date' &&
        node.arguments.length === 0
      ) {
        context.report({
          node,
          message: 'A clock is handed in (`now`); only main, app, agent and node build one.',
        })
      }
    },
  }),
}

// Files, tables and directories as OpenClaw names them.
const NAMES =
  /(?:^|[^\w-])\.openclaw\b|\bopenclaw(?:-agent)?\.(?:json|sqlite)\b|\bagents\.entries\b/

const openclawNames = {
  create: (context) => {
    const report = (node) =>
      context.report({
        node,
        message: 'Only packages/agent/src/openclaw spells the names of OpenClaw.',
      })
    return {
      Literal(node) {
        if (typeof node.value === 'string' && NAMES.test(node.value)) report(node)
      },
      TemplateElement(node) {
        if (NAMES.test(node.value.raw)) report(node)
      },
    }
  },
}

export default {
  meta: { name: 'ocm' },
  rules: { 'no-ambient-clock': noAmbientClock, 'openclaw-names': openclawNames },
}
