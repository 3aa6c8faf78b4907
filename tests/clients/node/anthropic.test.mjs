// Anthropic's SDK for Node.js.

import Anthropic from '@anthropic-ai/sdk'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { city, failing, hello, key, png, question, url } from './support.mjs'

const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 })
const tools = [{ name: 'get_weather', description: 'Get the weather', input_schema: city }]

for (const model of ['claude', 'nova']) {
  test(`${model}: whole and streamed`, async () => {
    const asked = { model, max_tokens: 100, messages: hello }
    const whole = await client.messages.create(asked)
    assert.equal(whole.stop_reason, 'end_turn')
    assert.equal(whole.model, model)
    const streamed = await client.messages.stream(asked).finalMessage()
    assert.equal(streamed.content[0].text, whole.content[0].text)
    assert.equal(streamed.usage.output_tokens, whole.usage.output_tokens)
  })

  test(`${model}: a tool round trip`, async () => {
    const asked = { model, max_tokens: 200, tools }
    const first = await client.messages
      .stream({ ...asked, messages: question, tool_choice: { type: 'any' } })
      .finalMessage()
    const call = first.content.at(-1)
    assert.equal(call.name, 'get_weather')
    assert.equal(typeof call.input.city, 'string')
    const second = await client.messages.create({
      ...asked,
      messages: [
        ...question,
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: '21 degrees' }] },
      ],
    })
    assert.equal(second.stop_reason, 'end_turn')
  })
}

test('an image', async () => {
  const source = { type: 'base64', media_type: 'image/png', data: png }
  const content = [
    { type: 'image', source },
    { type: 'text', text: 'What is this?' },
  ]
  const answer = await client.messages.create({
    model: 'claude',
    max_tokens: 100,
    messages: [{ role: 'user', content }],
  })
  assert.ok(answer.content[0].text)
})

test('thinking', async () => {
  const answer = await client.messages
    .stream({
      model: 'claude',
      max_tokens: 3000,
      thinking: { type: 'enabled', budget_tokens: 1024 },
      messages: hello,
    })
    .finalMessage()
  assert.deepEqual(
    answer.content.map((block) => block.type),
    ['thinking', 'text'],
  )
  assert.ok(answer.content[0].signature)
})

test('tokens are counted', async () => {
  const count = await client.messages.countTokens({ model: 'claude', messages: hello })
  assert.ok(count.input_tokens > 0)
})

test('errors are of the classes of the SDK', async () => {
  const ask = (messages) => client.messages.create({ model: 'claude', max_tokens: 100, messages })
  await assert.rejects(ask(failing('throttle')), Anthropic.RateLimitError)
  await assert.rejects(ask(failing('validation')), Anthropic.BadRequestError)
  const stranger = new Anthropic({ baseURL: url, apiKey: 'sk-wrong', maxRetries: 0 })
  await assert.rejects(
    stranger.messages.create({ model: 'claude', max_tokens: 100, messages: hello }),
    Anthropic.AuthenticationError,
  )
})

test('a stream that fails later throws', async () => {
  const stream = client.messages.stream({
    model: 'claude',
    max_tokens: 500,
    messages: [{ role: 'user', content: '[[sim:long=50]] [[sim:exception-mid]]' }],
  })
  await assert.rejects(stream.finalMessage(), Anthropic.APIError)
})
