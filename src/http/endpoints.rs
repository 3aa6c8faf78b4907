//! The endpoints that call a model, by their paths: each says which format it speaks, and [`super::inference`] does the
//! rest.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::post;

use super::inference::{Asking, serve};
use super::layers::catching;
use super::{App, home, responses};
use crate::dialect::Front;

/// Paths that take the same calls, and what they speak.
const SPOKEN: [(Front, &[&str]); 10] = [
    (Front::CHAT, &["/v1/chat/completions", "/chat/completions"]),
    (Front::COMPLETIONS, &["/v1/completions", "/completions"]),
    (
        Front::RESPONSES,
        &["/v1/responses", "/responses", "/openai/v1/responses"],
    ),
    (
        Front::InputTokens,
        &[
            "/v1/responses/input_tokens",
            "/responses/input_tokens",
            "/openai/v1/responses/input_tokens",
        ],
    ),
    // Anthropic's SDK puts `/v1` behind an address that Portkey's documentation ends with `/v1`.
    (
        Front::MESSAGES,
        &[
            "/v1/messages",
            "/messages",
            "/anthropic/v1/messages",
            "/v1/v1/messages",
        ],
    ),
    (
        Front::Count,
        &[
            "/v1/messages/count_tokens",
            "/messages/count_tokens",
            "/anthropic/v1/messages/count_tokens",
            "/v1/v1/messages/count_tokens",
        ],
    ),
    (Front::EMBEDDINGS, &["/v1/embeddings", "/embeddings"]),
    (
        Front::IMAGES,
        &["/v1/images/generations", "/images/generations"],
    ),
    (Front::IMAGE_EDITS, &["/v1/images/edits", "/images/edits"]),
    (Front::RERANK, &["/v1/rerank", "/v2/rerank", "/rerank"]),
];

/// What follows a model's name in a path, and what is spoken there.
///
/// The first that fits counts: the end of one is the end of another, too.
const BY_MODEL: [(&str, Front); 5] = [
    ("/chat/completions", Front::CHAT),
    ("/completions", Front::COMPLETIONS),
    ("/embeddings", Front::EMBEDDINGS),
    ("/images/generations", Front::IMAGES),
    ("/images/edits", Front::IMAGE_EDITS),
];

/// Paths that name the model themselves.
const NAMING_A_MODEL: [&str; 3] = [
    "/engines/{*rest}",
    "/v1/engines/{*rest}",
    "/openai/deployments/{*rest}",
];

/// Paths that name a prompt template.
const NAMING_A_PROMPT: [&str; 2] = ["/v1/prompts/{id}/completions", "/prompts/{id}/completions"];

/// Adds the endpoints to the table. `{*rest}` stands for a model name, which may have slashes, and the end of the path.
pub(super) fn add(mut table: Router<Arc<App>>) -> Router<Arc<App>> {
    for (front, paths) in SPOKEN {
        let handler = move |State(app): State<Arc<App>>, request: Request| async move {
            catching(front, serve(&app, request, Asking::by(front))).await
        };
        for path in paths {
            table = table.route(path, post(handler));
        }
    }
    table = responses::add(table);
    for path in NAMING_A_MODEL {
        table = table.route(path, post(by_path));
    }
    for path in NAMING_A_PROMPT {
        table = table.route(path, post(prompt));
    }
    table
}

/// A chat request made of a named template.
async fn prompt(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let Ok(Path(id)) = id else {
        return unknown_path(request).await;
    };
    let asking = Asking {
        prompt: Some(id),
        ..Asking::by(Front::CHAT)
    };
    catching(asking.front, serve(&app, request, asking)).await
}

/// The model is named by the path.
async fn by_path(
    State(app): State<Arc<App>>,
    rest: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let rest = rest.map(|Path(rest)| rest).unwrap_or_default();
    let rest = rest.trim_end_matches('/');
    let found = BY_MODEL.iter().find_map(|(end, front)| {
        let model = rest.strip_suffix(end).filter(|model| !model.is_empty())?;
        Some((model, *front))
    });
    let Some((model, front)) = found else {
        return unknown_path(request).await;
    };
    let asking = Asking {
        model: Some(model.to_owned()),
        ..Asking::by(front)
    };
    catching(asking.front, serve(&app, request, asking)).await
}

/// The format of what is asked at a path, as far as the path alone tells it.
pub(super) fn front_of(path: &str) -> Front {
    let spoken = SPOKEN.iter().find(|(_, paths)| paths.contains(&path));
    let named = || BY_MODEL.iter().find(|(end, _)| path.ends_with(end));
    spoken
        .map(|(front, _)| *front)
        .or_else(|| named().map(|(_, front)| *front))
        .unwrap_or(Front::CHAT)
}

async fn unknown_path(request: Request) -> Response {
    let (head, _) = request.into_parts();
    home::not_found(head.method, head.uri, head.headers).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::is_model_call;

    #[test]
    fn the_front_page_names_every_endpoint() {
        let spoken = SPOKEN.iter().flat_map(|(_, paths)| *paths).copied();
        // Other spellings of what is there.
        let is_main = |path: &&str| path.starts_with("/v1/") && !path.starts_with("/v1/v1/");
        let named = [
            "/v1/prompts/",
            "/engines/",
            "/openai/deployments/",
            "/bedrock/",
        ];
        for path in spoken.filter(is_main).chain(named) {
            assert!(home::PAGE.contains(path), "{path}");
        }
    }

    #[test]
    fn a_key_without_a_list_may_call_every_path() {
        let spoken = SPOKEN.iter().flat_map(|(_, paths)| *paths).copied();
        let paths = spoken.chain(NAMING_A_MODEL).chain(NAMING_A_PROMPT);
        let kept = responses::STARTS.map(|start| format!("{start}/{{id}}/input_items"));
        let paths: Vec<String> = paths.map(str::to_owned).chain(kept).collect();
        for path in paths {
            assert!(is_model_call(&path), "{path}");
        }
    }
}
