// Vercel's AI SDK, with its providers for OpenAI (Responses, which it speaks unless told otherwise, and chat completions) and
// Anthropic.

import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { APICallError, Output, embedMany, generateImage, generateText, isStepCount, streamText, tool } from 'ai'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { key, png, url } from './support.mjs'

const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: key })
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: key })
const providers = { openai: (model) => openai(model), chat: (model) => openai.chat(model), anthropic: (model) => anthropic(model) }
const prompt = 'Hello, how are you?'

for (const [name, provider] of Object.entries(providers)) {
  for (const model of ['claude', 'nova']) {
    test(`${name}: ${model} answers whole and streamed`, async () => {
      const whole = await generateText({ model: provider(model), prompt, maxRetries: 0 })
      assert.equal(whole.finishReason, 'stop')
      assert.ok(whole.usage.totalTokens > 0)
      const streamed = streamText({ model: provider(model), prompt, maxRetries: 0 })
      let text = ''
      for await (const piece of streamed.textStream) text += piece
      assert.equal(text, whole.text)
      assert.equal(await streamed.finishReason, 'stop')
    })
  }

  test(`${name}: a tool is run`, async () => {
    let ran = 0
    const weather = tool({
      description: 'Get the weather in a city',
      inputSchema: z.object({ city: z.string() }),
      execute: async () => {
        ran += 1
        return '21 degrees'
      },
    })
    const answer = await generateText({
      model: provider('claude'),
      prompt: '[[sim:tool]] What is the weather in Paris?',
      tools: { weather },
      stopWhen: isStepCount(3),
      maxRetries: 0,
    })
    assert.equal(ran, 1)
    assert.equal(answer.steps.length, 2)
    assert.ok(answer.text)
  })

  test(`${name}: an object of a schema`, async () => {
    const answer = await generateText({
      model: provider('claude'),
      prompt: 'Alice and Bob go to a science fair.',
      output: Output.object({ schema: z.object({ name: z.string(), guests: z.array(z.string()) }) }),
      maxRetries: 0,
    })
    assert.equal(typeof answer.output.name, 'string')
  })

  test(`${name}: an image`, async () => {
    const content = [
      { type: 'text', text: 'What is in this image?' },
      { type: 'image', image: Buffer.from(png, 'base64'), mediaType: 'image/png' },
    ]
    const answer = await generateText({
      model: provider('claude'),
      messages: [{ role: 'user', content }],
      maxRetries: 0,
    })
    assert.ok(answer.text)
  })

  test(`${name}: an error carries its status`, async () => {
    const call = generateText({ model: provider('claude'), prompt: '[[sim:throttle]]', maxRetries: 0 })
    await assert.rejects(call, (error) => APICallError.isInstance(error) && error.statusCode === 429)
  })
}

test('reasoning comes with the text', async () => {
  const answer = await generateText({
    model: anthropic('claude'),
    prompt,
    providerOptions: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } },
    maxRetries: 0,
  })
  assert.ok(answer.reasoningText)
})

test('embeddings', async () => {
  const { embeddings } = await embedMany({
    model: openai.embedding('titan-embed'),
    values: ['one', 'two', 'three'],
    maxRetries: 0,
  })
  assert.equal(embeddings.length, 3)
})

test('images', async () => {
  const { image } = await generateImage({ model: openai.image('canvas'), prompt: 'A lighthouse', maxRetries: 0 })
  assert.ok(image.base64)
})
