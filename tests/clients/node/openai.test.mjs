// OpenAI's SDK for Node.js.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import OpenAI, { toFile } from 'openai'
import { city, failing, hello, key, png, question, url } from './support.mjs'

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 })
const tools = [{ type: 'function', function: { name: 'get_weather', parameters: city } }]

test('a whole answer', async () => {
  const answer = await client.chat.completions.create({ model: 'claude', messages: hello })
  assert.equal(answer.model, 'claude')
  assert.equal(answer.choices[0].finish_reason, 'stop')
  assert.ok(answer.choices[0].message.content)
  assert.ok(answer.usage.total_tokens > 0)
})

test('a stream says what the whole answer says', async () => {
  const whole = await client.chat.completions.create({ model: 'nova', messages: hello })
  const stream = await client.chat.completions.create({
    model: 'nova',
    messages: hello,
    stream: true,
    stream_options: { include_usage: true },
  })
  let text = ''
  let usage
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ''
    usage = chunk.usage ?? usage
  }
  assert.equal(text, whole.choices[0].message.content)
  assert.deepEqual(usage.total_tokens, whole.usage.total_tokens)
})

test('the stream helper accumulates tool calls', async () => {
  const stream = client.chat.completions.stream({
    model: 'claude',
    messages: question,
    tools,
    tool_choice: 'required',
  })
  const answer = await stream.finalChatCompletion()
  const [call] = answer.choices[0].message.tool_calls
  assert.equal(call.function.name, 'get_weather')
  assert.ok('city' in JSON.parse(call.function.arguments))
})

test('tools are run in a loop', async () => {
  let ran = 0
  const runner = client.chat.completions.runTools({
    model: 'claude',
    messages: [{ role: 'user', content: '[[sim:tool]] What is the weather in Paris?' }],
    tools: [
      {
        type: 'function',
        function: {
          name: 'get_weather',
          parameters: city,
          parse: JSON.parse,
          function: () => {
            ran += 1
            return '21 degrees'
          },
        },
      },
    ],
  })
  assert.ok(await runner.finalContent())
  assert.equal(ran, 1)
})

test('an image in a data URL', async () => {
  const content = [
    { type: 'text', text: 'What is in this image?' },
    { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } },
  ]
  const answer = await client.chat.completions.create({ model: 'claude', messages: [{ role: 'user', content }] })
  assert.ok(answer.choices[0].message.content)
})

test('errors are of the classes of the SDK', async () => {
  const ask = (messages, options) => client.chat.completions.create({ model: 'claude', messages }, options)
  await assert.rejects(ask(failing('throttle')), OpenAI.RateLimitError)
  await assert.rejects(ask(failing('error503')), OpenAI.InternalServerError)
  await assert.rejects(ask(failing('access-denied')), OpenAI.PermissionDeniedError)
  await assert.rejects(ask(failing('validation')), OpenAI.BadRequestError)
  const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-wrong', maxRetries: 0 })
  await assert.rejects(
    stranger.chat.completions.create({ model: 'claude', messages: hello }),
    OpenAI.AuthenticationError,
  )
})

test('a stream that fails later throws', async () => {
  const stream = await client.chat.completions.create({
    model: 'claude',
    messages: [{ role: 'user', content: '[[sim:long=50]] [[sim:exception-mid]]' }],
    stream: true,
  })
  let text = ''
  await assert.rejects(async () => {
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
  }, OpenAI.APIError)
  assert.ok(text)
})

test('embeddings, as base64 unless asked otherwise', async () => {
  const decoded = await client.embeddings.create({ model: 'titan-embed', input: ['one', 'two'] })
  const floats = await client.embeddings.create({
    model: 'titan-embed',
    input: ['one', 'two'],
    encoding_format: 'float',
  })
  assert.equal(decoded.data.length, 2)
  decoded.data[1].embedding.forEach((value, place) => {
    assert.ok(Math.abs(value - floats.data[1].embedding[place]) < 1e-6)
  })
})

test('images are painted and edited', async () => {
  const painted = await client.images.generate({ model: 'canvas', prompt: 'A lighthouse', n: 2 })
  assert.equal(painted.data.length, 2)
  assert.ok(painted.data[0].b64_json)
  const file = () => toFile(Buffer.from(png, 'base64'), 'a.png', { type: 'image/png' })
  const edited = await client.images.edit({
    model: 'inpaint',
    image: await file(),
    mask: await file(),
    prompt: 'A cat',
  })
  assert.ok(edited.data[0].b64_json)
})

test('models are listed', async () => {
  const models = []
  for await (const model of client.models.list()) models.push(model.id)
  assert.ok(models.includes('claude'))
})

test('a response, whole and streamed', async () => {
  const whole = await client.responses.create({ model: 'claude', input: 'Hello, how are you?' })
  assert.equal(whole.status, 'completed')
  assert.ok(whole.output_text)
  const stream = client.responses.stream({ model: 'claude', input: 'Hello, how are you?' })
  let text = ''
  stream.on('response.output_text.delta', (event) => (text += event.delta))
  const final = await stream.finalResponse()
  assert.equal(text, final.output_text)
  assert.equal(final.output_text, whole.output_text)
})

test('a response goes on from another, with the result of a tool', async () => {
  const tools = [{ type: 'function', name: 'get_weather', parameters: city, strict: false }]
  const first = await client.responses.create({ model: 'claude', input: '[[sim:tool]] The weather in Paris?', tools })
  const call = first.output.find((item) => item.type === 'function_call')
  assert.ok('city' in JSON.parse(call.arguments))
  const second = await client.responses.create({
    model: 'claude',
    previous_response_id: first.id,
    input: [{ type: 'function_call_output', call_id: call.call_id, output: '21 degrees' }],
    tools,
  })
  assert.match(second.output_text, /21 degrees/)
})

test('text completions', async () => {
  const answer = await client.completions.create({ model: 'nova', prompt: ['[[sim:say a]]', '[[sim:say b]]'] })
  assert.deepEqual(
    answer.choices.map((choice) => choice.text),
    ['a', 'b'],
  )
  let text = ''
  for await (const chunk of await client.completions.create({ model: 'nova', prompt: '[[sim:say abc]]', stream: true })) {
    text += chunk.choices[0].text
  }
  assert.equal(text, 'abc')
})
