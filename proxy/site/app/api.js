// Asking the API, and what can go wrong in it.

export class ApiError extends Error {
  /** status is 0 where no answer came. */
  constructor(status, message, more = {}) {
    super(message);
    Object.assign(this, { status, ...more });
  }
}

/** Numbers as they are spelt in the source (3.50 is not 3.5), where the browser tells; they are only shown here. */
const asSpelt = (_, value, context) => (typeof value === 'number' ? (context?.source ?? String(value)) : value);

function retryAfter(headers) {
  const value = headers.get('Retry-After');
  if (value === null) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return Number.isFinite(seconds) ? Math.max(seconds, 0) : null;
}

/** An answer's JSON and head; throws ApiError. */
export async function get(path, signal) {
  let response, text;
  try {
    response = await fetch(path, { signal, headers: { Accept: 'application/json' } });
    text = await response.text();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, error.message);
  }
  let body;
  try {
    body = JSON.parse(text, asSpelt);
  } catch {
    throw new ApiError(response.ok ? 502 : response.status, response.statusText);
  }
  if (!response.ok)
    throw new ApiError(response.status, body?.error?.message ?? response.statusText, {
      retryAfter: retryAfter(response.headers),
      requestId: body?.error?.request_id ?? response.headers.get('X-Request-ID'),
    });
  return { body, headers: response.headers };
}

/** The head of what is at the path; throws ApiError. */
export async function head(path) {
  const { ok, status, statusText, headers } = await fetch(path, { method: 'HEAD' }).catch(({ message }) => {
    throw new ApiError(0, message);
  });
  if (!ok) throw new ApiError(status, statusText, { retryAfter: retryAfter(headers) });
  return headers;
}

/** Whether a person can have that name; asked for others the API answers 400, and ".." is a step in an address. */
export const isName = (text) => /^\w{1,50}$/.test(text);

export function cvPath(person, lang, focus, tail = '') {
  const query = new URLSearchParams({ lang });
  if (focus) query.set('focus', focus);
  return `/api/v1/cvs/${encodeURIComponent(person)}/${tail}?${query}`;
}
