// A JSON body against its schema, with the leniency that Docker's decoder has and its clients rely on: null is as good as absent, keys match
// whatever their case, unknown keys are dropped (so nothing that no schema describes goes further). What is then still wrong is a 400.
import { Kind, OptionalKind, type Static, type TObject, type TSchema } from '@sinclair/typebox';
import { TypeCompiler, type ValueError } from '@sinclair/typebox/compiler';
import { EngineError } from '../../errors/engine-error.ts';

/** Levels of objects and lists in parts of a body that have no schema of their own. */
const openDepthLimit = 32;

type Normalise = (value: unknown) => void;

/** Of a schema: a request without a body, or with null, is refused. Else that is as good as an empty object. */
export const bodyNeeded = 'x-body-needed';

/** The returned function changes the value that it gets. An absent body is given on where the schema allows null. Throws 'invalid'. */
export function compileBody<T extends TSchema>(schema: T): (body: unknown) => Static<T> {
  const checker = TypeCompiler.Compile(schema);
  const normalise = normaliserOf(schema);
  const mayBeAbsent = isNullable(schema) || schema[OptionalKind] === 'Optional';
  return (given) => {
    if (mayBeAbsent && (given === undefined || given === null)) return given as Static<T>;
    // Fastify gives null for both.
    if ((given === undefined || given === null) && schema[bodyNeeded] === true) {
      throw new EngineError('invalid', 'invalid JSON: got EOF while reading request body');
    }
    const body = given ?? {};
    normalise?.(body);
    if (checker.Check(body)) return body;
    const wrong = deepest(checker.Errors(body).First());
    const where = wrong?.path ? ` at ${wrong.path.slice(1).replaceAll('/', '.')}` : '';
    throw new EngineError('invalid', `invalid JSON${where}: ${lowerFirst(wrong?.message ?? 'unexpected value')}`);
  };
}

/** Of a union, what is wrong with the member that came furthest: "object or null" should name the key, not the union. */
function deepest(error: ValueError | undefined): ValueError | undefined {
  let found = error;
  while (found !== undefined && found.errors.length > 0) {
    const inner: ValueError[] = found.errors.map((one) => one.First()).filter((one) => one !== undefined);
    const [first] = inner.sort((a, b) => b.path.length - a.path.length);
    if (first === undefined) break;
    found = first;
  }
  return found;
}

function normaliserOf(schema: TSchema): Normalise | undefined {
  switch (schema[Kind]) {
    case 'Object':
      return schema.additionalProperties === true ? checkDepth : objectNormaliser(schema as TObject);
    case 'Array': {
      const members = memberNormaliser(schema.items as TSchema);
      return members && ((value) => Array.isArray(value) && members(value));
    }
    case 'Record': {
      const [member] = Object.values(schema.patternProperties as Record<string, TSchema>);
      const members = member && memberNormaliser(member);
      return members && ((value) => isObject(value) && members(value));
    }
    case 'Union': {
      const inner = (schema.anyOf as TSchema[]).map(normaliserOf).filter((one) => one !== undefined);
      if (inner.length > 1) throw new TypeError('a union in a body may have one structured member');
      return inner[0];
    }
    default:
      return undefined;
  }
}

/** For the members of a list or a map: null is the zero value of what stands there, as Go decodes it. */
function memberNormaliser(member: TSchema): ((value: object) => void) | undefined {
  const inner = normaliserOf(member);
  const zero = zeroOf(member);
  if (inner === undefined && zero === undefined) return undefined;
  return (value) => {
    const members = value as Record<string, unknown>;
    for (const key in members) {
      const one = members[key];
      if (one === null && zero !== undefined) members[key] = zero();
      else inner?.(one);
    }
  };
}

function zeroOf(schema: TSchema): (() => unknown) | undefined {
  switch (schema[Kind]) {
    case 'String':
      return () => '';
    case 'Integer':
      return () => 0;
    case 'Object':
      return () => ({});
    case 'Array':
      return () => [];
    default:
      return undefined;
  }
}

function objectNormaliser(schema: TObject): Normalise {
  const known = new Map<string, { nullable: boolean; inner: Normalise | undefined }>();
  const byLowerCase = new Map<string, string>();
  for (const [key, property] of Object.entries(schema.properties)) {
    known.set(key, { nullable: isNullable(property), inner: normaliserOf(property) });
    byLowerCase.set(key.toLowerCase(), key);
  }
  return (value) => {
    if (!isObject(value) || Array.isArray(value)) return;
    for (const key in value) {
      let name = key;
      if (!known.has(key)) {
        const meant = byLowerCase.get(key.toLowerCase());
        if (meant !== undefined && !Object.hasOwn(value, meant)) {
          value[meant] = value[key];
          name = meant;
        }
        delete value[key];
      }
      const property = known.get(name);
      const member = value[name];
      if (property === undefined || member === undefined) continue;
      if (member !== null) property.inner?.(member);
      else if (!property.nullable) delete value[name];
    }
  };
}

function isNullable(schema: TSchema): boolean {
  return schema[Kind] === 'Null' || (schema[Kind] === 'Union' && (schema.anyOf as TSchema[]).some(isNullable));
}

function checkDepth(value: unknown): void {
  const walk = (member: unknown, depth: number): void => {
    if (typeof member !== 'object' || member === null) return;
    if (depth > openDepthLimit) throw new EngineError('invalid', `invalid JSON: more than ${openDepthLimit} levels`);
    for (const inner of Object.values(member)) walk(inner, depth + 1);
  };
  walk(value, 1);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function lowerFirst(message: string): string {
  return message.slice(0, 1).toLowerCase() + message.slice(1);
}
