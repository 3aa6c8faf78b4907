// AWS's SDK for JavaScript, through `/bedrock`. It speaks HTTP/2 from the first byte, without TLS.

import {
  ApplyGuardrailCommand,
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { BedrockAgentRuntimeClient, InvokeAgentCommand, RetrieveCommand } from '@aws-sdk/client-bedrock-agent-runtime'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { key, url } from './support.mjs'

const settings = { region: 'us-west-2', endpoint: `${url}/bedrock`, maxAttempts: 1 }
const signing = { ...settings, credentials: { accessKeyId: key, secretAccessKey: 'anything' } }
const signed = new BedrockRuntimeClient(signing)
const bearer = new BedrockRuntimeClient({ ...settings, token: { token: key }, authSchemePreference: ['httpBearerAuth'] })
const says = (text) => [{ role: 'user', content: [{ text }] }]
const claude = JSON.stringify({
  anthropic_version: 'bedrock-2023-05-31',
  max_tokens: 60,
  messages: [{ role: 'user', content: 'Hello' }],
})

for (const [name, client] of Object.entries({ signed, bearer })) {
  test(`${name}: converse, whole and streamed`, async () => {
    const asked = { modelId: 'claude', messages: says('Hello') }
    const whole = await client.send(new ConverseCommand(asked))
    assert.equal(whole.stopReason, 'end_turn')
    const streamed = await client.send(new ConverseStreamCommand(asked))
    let text = ''
    let usage
    for await (const event of streamed.stream) {
      text += event.contentBlockDelta?.delta.text ?? ''
      usage = event.metadata?.usage ?? usage
    }
    assert.equal(text, whole.output.message.content[0].text)
    assert.deepEqual(usage, whole.usage)
  })

  test(`${name}: invoke, whole and streamed`, async () => {
    const whole = await client.send(new InvokeModelCommand({ modelId: 'claude', body: claude }))
    assert.equal(JSON.parse(new TextDecoder().decode(whole.body)).type, 'message')
    const streamed = await client.send(new InvokeModelWithResponseStreamCommand({ modelId: 'claude', body: claude }))
    const types = []
    for await (const event of streamed.body) types.push(JSON.parse(new TextDecoder().decode(event.chunk.bytes)).type)
    assert.equal(types[0], 'message_start')
    assert.equal(types.at(-1), 'message_stop')
  })
}

test('a guardrail, a knowledge base and an agent', async () => {
  const applied = await signed.send(
    new ApplyGuardrailCommand({
      guardrailIdentifier: 'ff6ujrregl1q',
      guardrailVersion: 'DRAFT',
      source: 'INPUT',
      content: [{ text: { text: 'Hello' } }],
    }),
  )
  assert.equal(applied.action, 'NONE')
  const agents = new BedrockAgentRuntimeClient(signing)
  const found = await agents.send(new RetrieveCommand({ knowledgeBaseId: 'KB12345678', retrievalQuery: { text: 'fox' } }))
  assert.match(found.retrievalResults[0].content.text, /fox/)
  const asked = { agentId: 'L1RT58GYRW', agentAliasId: 'MFPSBCXYTW', sessionId: '12345', inputText: 'Who are you?' }
  const answered = await agents.send(new InvokeAgentCommand(asked))
  let text = ''
  for await (const event of answered.completion) text += new TextDecoder().decode(event.chunk?.bytes)
  assert.match(text, /Who are you\?$/)
})

test('errors have the names and statuses of AWS', async () => {
  const asked = { modelId: 'claude', messages: says('[[sim:throttle]]') }
  await assert.rejects(signed.send(new ConverseCommand(asked)), (error) => {
    assert.equal(error.name, 'ThrottlingException')
    assert.equal(error.$metadata.httpStatusCode, 429)
    return true
  })
  const nobody = new BedrockRuntimeClient({ ...settings, credentials: { accessKeyId: 'sk-nobody', secretAccessKey: 'x' } })
  const refused = nobody.send(new ConverseCommand({ ...asked, messages: says('Hello') }))
  await assert.rejects(refused, (error) => {
    assert.equal(error.$metadata.httpStatusCode, 401)
    assert.match(error.message, /not known here/)
    return true
  })
  const stream = await signed.send(new ConverseStreamCommand({ ...asked, messages: says('one two three four [[sim:exception-mid]]') }))
  await assert.rejects(async () => {
    for await (const event of stream.stream) void event
  })
})
