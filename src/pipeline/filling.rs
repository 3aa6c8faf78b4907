//! Where the answer of a call goes in the response cache, whatever the operation: whole, or input by input.

use std::sync::Arc;

use super::Call;
use crate::cache::{FoundVectors, Inputs, Slot, Took};
use crate::canonical::{Answer, EmbedAnswer, EmbedInput, EmbedRequest, Request, Usage, Vector};
use crate::catalog::{Size, Tokenizer};

/// The places in the cache that the answer of a call fills.
#[derive(Debug, Clone)]
pub enum Filling {
    /// A chat's answer.
    Chat(Slot),
    /// Documents in order.
    Ranks(Slot),
    /// The vectors of inputs, of which some may be known.
    Inputs(Arc<Inputs>),
}

impl Filling {
    /// Returns the place that says how the caller wants the cache used.
    fn slot(&self) -> Option<&Slot> {
        match self {
            Self::Chat(slot) | Self::Ranks(slot) => Some(slot),
            Self::Inputs(inputs) => missing(inputs).next().map(|(_, slot)| slot),
        }
    }

    /// Returns the key that the client is told; of several inputs none is.
    pub fn key(&self) -> &str {
        match self {
            Self::Chat(slot) | Self::Ranks(slot) => slot.key(),
            Self::Inputs(inputs) => inputs.key(),
        }
    }

    /// Returns what calls under way for the same answer have alike.
    pub(super) fn shared_key(&self) -> String {
        match self {
            Self::Chat(slot) | Self::Ranks(slot) => slot.key().to_owned(),
            Self::Inputs(inputs) => inputs.missing_key(),
        }
    }

    /// Says whether such a call may follow an equal one that is under way.
    pub fn may_follow(&self) -> bool {
        self.slot().is_some_and(Slot::may_follow)
    }

    /// Says whether others may share the call.
    pub(super) fn may_lead(&self) -> bool {
        self.slot().is_some_and(Slot::may_lead)
    }

    /// Returns the call for what is not known: of a list with known inputs the others.
    pub(super) fn asked(&self, call: &Arc<Call>) -> Arc<Call> {
        let (Self::Inputs(inputs), Request::Embed(request)) = (self, &call.request) else {
            return Arc::clone(call);
        };
        let asked = request.input.iter().flatten().zip(&inputs.found);
        let asked: Vec<EmbedInput> = asked
            .filter(|(_, found)| matches!(found, FoundVectors::Miss(_)))
            .map(|(input, _)| input.clone())
            .collect();
        if asked.len() == inputs.found.len() {
            return Arc::clone(call);
        }
        Arc::new(Call {
            request: Request::Embed(EmbedRequest {
                input: Some(asked),
                options: request.options.clone(),
            }),
            ..Call::clone(call)
        })
    }

    /// Keeps the answer to [`Filling::asked`].
    pub(super) fn fill(&self, answer: &Answer, asked: &Call) {
        match (self, answer) {
            (Self::Chat(slot), Answer::Chat(answer)) => {
                let own = asked.front.id_of(answer);
                let id = own.as_deref().unwrap_or(&asked.answer_id);
                slot.fill_whole(answer, id, asked.created);
            }
            (Self::Ranks(slot), Answer::Rerank(answer)) => {
                slot.fill_ranks(answer);
            }
            (Self::Inputs(inputs), Answer::Embed(answer)) => fill_inputs(inputs, answer, asked),
            _ => {}
        }
    }

    /// Returns the answer to the whole call: what was known, and the answer to [`Filling::asked`].
    pub(super) fn whole(&self, answer: Answer) -> Answer {
        match (self, answer) {
            (Self::Inputs(inputs), Answer::Embed(answer)) => Answer::Embed(merged(inputs, answer)),
            (_, answer) => answer,
        }
    }
}

/// The inputs that are not known: their places in the list, and where their vectors go.
fn missing(inputs: &Inputs) -> impl Iterator<Item = (usize, &Slot)> {
    let all = inputs.found.iter().enumerate();
    all.filter_map(|(place, found)| match found {
        FoundVectors::Miss(slot) => Some((place, slot)),
        FoundVectors::Hit(..) => None,
    })
}

fn fill_inputs(inputs: &Inputs, answer: &EmbedAnswer, asked: &Call) {
    let Request::Embed(request) = &asked.request else {
        return;
    };
    let shares = shares(
        request.input.as_deref().unwrap_or_default(),
        answer.usage.prompt_tokens(),
    );
    let slots = missing(inputs).map(|(_, slot)| slot).enumerate();
    let mut filled: Vec<_> = slots
        .map(|(place, slot)| {
            let took = Took {
                tokens: shares.get(place).copied().unwrap_or(0),
                images: counted(answer.images, &answer.image_inputs, place),
                queries: counted(answer.queries, &answer.query_inputs, place),
            };
            (slot, Vec::new(), took)
        })
        .collect();
    for vector in &answer.vectors {
        if let Some((_, own, _)) = filled.get_mut(vector.index) {
            own.push(vector);
        }
    }
    if let Some((slot, ..)) = filled.first() {
        slot.fill_inputs(&filled);
    }
}

/// Says of one input whether it is among the `counted`; `None` where the model counts none.
fn counted(all: Option<u64>, counted: &[usize], place: usize) -> Option<u64> {
    all.map(|_| u64::from(counted.binary_search(&place).is_ok()))
}

/// Adds what is counted of another input, where anything is.
fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (None, other) => other,
        (Some(one), other) => Some(one.saturating_add(other.unwrap_or(0))),
    }
}

/// Divides the tokens of a list among its inputs, by their sizes: models count them together.
fn shares(inputs: &[EmbedInput], total: u64) -> Vec<u64> {
    let sizes: Vec<u128> = (inputs.iter())
        .map(|input| u128::from(Size::of_input(input).tokens(Tokenizer::default()).max(1)))
        .collect();
    let all: u128 = sizes.iter().sum();
    let (mut before, mut given) = (0, 0);
    (sizes.iter())
        .map(|size| {
            before += size;
            // Rounded on the running sum, so that nothing is lost.
            let until = u64::try_from(u128::from(total) * before / all.max(1)).unwrap_or(total);
            let share = until - given;
            given = until;
            share
        })
        .collect()
}

/// Puts known vectors and new ones together.
pub(super) fn merged(inputs: &Inputs, answer: EmbedAnswer) -> EmbedAnswer {
    let places: Vec<usize> = missing(inputs).map(|(place, _)| place).collect();
    let mut tokens = answer.usage.input_tokens;
    let (mut images, mut queries) = (answer.images, answer.queries);
    let mut vectors: Vec<Vector> = Vec::with_capacity(inputs.found.len());
    for mut vector in answer.vectors {
        if let Some(place) = places.get(vector.index) {
            vector.index = *place;
            vectors.push(vector);
        }
    }
    for (place, found) in inputs.found.iter().enumerate() {
        let FoundVectors::Hit(known, took) = found else {
            continue;
        };
        tokens = tokens.saturating_add(took.tokens);
        images = sum(images, took.images);
        queries = sum(queries, took.queries);
        let in_place = known.iter().cloned().map(|vector| Vector {
            index: place,
            ..vector
        });
        vectors.extend(in_place);
    }
    // New ones and known ones have the same kinds; the order of the list decides among them.
    vectors.sort_by_key(|vector| vector.index);
    Vector::put_in_order(&mut vectors);
    EmbedAnswer {
        vectors,
        usage: Usage {
            input_tokens: tokens,
            total_tokens: None,
            ..answer.usage
        },
        images,
        queries,
        // These name places in what was asked.
        image_inputs: Vec::new(),
        query_inputs: Vec::new(),
    }
}
