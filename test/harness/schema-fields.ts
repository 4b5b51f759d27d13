// The fields that a request's body may have, by its schema: "HostConfig.Ulimits[].Soft". Maps whose values are texts or nothing are one field.
import { Kind, type TSchema } from '@sinclair/typebox';

export function fieldsOf(schema: TSchema, at = ''): string[] {
  switch (schema[Kind]) {
    case 'Union': {
      const structured = (schema.anyOf as TSchema[]).flatMap((member) => {
        const fields = fieldsOf(member, at);
        return fields.length === 1 && fields[0] === at ? [] : fields;
      });
      return structured.length > 0 ? structured : [at];
    }
    case 'Object': {
      const entries = Object.entries((schema.properties ?? {}) as Record<string, TSchema>);
      return entries.length === 0
        ? [at]
        : entries.flatMap(([key, inner]) => fieldsOf(inner, at === '' ? key : `${at}.${key}`));
    }
    case 'Array':
      return inner(fieldsOf(schema.items as TSchema, `${at}[]`), `${at}[]`, at);
    case 'Record': {
      const [member] = Object.values(schema.patternProperties as Record<string, TSchema>);
      return member === undefined ? [at] : inner(fieldsOf(member, `${at}{}`), `${at}{}`, at);
    }
    default:
      return [at];
  }
}

/** A list or map of plain values is one field. */
function inner(fields: string[], itself: string, outer: string): string[] {
  return fields.length === 1 && (fields[0] === itself || fields[0] === `${itself}[]`) ? [outer] : fields;
}
