// How templates see what `inspect` shows. Docker renders them on its own types first, where a field that the JSON leaves out because it is
// empty still has its zero value; when that fails (a field by its name in JSON, `.Id`), on the plain JSON.
import type { EvaluationOptions } from '../template/evaluate.ts';
import type { CompiledTemplate } from '../template/render.ts';
import { typeInspected } from './go-structs.ts';

type Rules = Omit<EvaluationOptions, 'functions'>;

function missing(key: string): never {
  throw new Error(`map has no entry for key ${JSON.stringify(key)}`);
}

const plainRules: Rules = {
  missingKey: missing,
  fieldText: (_owner, _field, value) => (value === null ? '<no value>' : undefined),
};

/** `parse` gives the daemon's JSON as a value of the caller's own. Throws what the second way has to say. */
export function renderInspected(template: CompiledTemplate, kind: string, parse: () => unknown): string {
  const value = parse();
  const types = typeInspected(kind, value);
  try {
    return template.render(value, {
      isNamed: (owner, key) => types.isNamed(owner, key),
      missingKey: (key, owner) => (types.isMap(owner) ? undefined : missing(key)),
      fieldText: (owner, field, fieldValue) => types.fieldText(owner, field, fieldValue),
    });
  } catch {
    return template.render(parse(), plainRules);
  }
}
