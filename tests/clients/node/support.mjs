// What every file needs: where the gateway is, and questions with known answers.

const variable = (name) => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: test_node.py runs these files`)
  return value
}

export const url = variable('SWITCHYARD_URL')
export const key = variable('SWITCHYARD_KEY')

export const hello = [{ role: 'user', content: 'Hello, how are you?' }]
export const question = [{ role: 'user', content: 'What is the weather in Paris?' }]
export const failing = (fault) => [{ role: 'user', content: `[[sim:${fault}]]` }]
export const city = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
}
export const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
