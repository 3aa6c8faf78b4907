use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::canonical::MediaSource;
use crate::error::ErrorKind;

fn edit_form(body: &str) -> Result<Parsed<ImageRequest>> {
    let mut headers = HeaderMap::new();
    let kind = "multipart/form-data; boundary=x";
    headers.insert(CONTENT_TYPE, kind.parse().unwrap());
    ImageEdits.parse(&Bytes::from(body.replace('\n', "\r\n")), &headers)
}

fn edit(body: &Value) -> Result<Parsed<ImageRequest>> {
    ImageEdits.parse(&Bytes::from(body.to_string()), &HeaderMap::new())
}

#[test]
fn a_form_is_read_like_json() {
    let parsed = edit_form(
        "--x\nContent-Disposition: form-data; name=\"model\"\n\nm\n\
         --x\nContent-Disposition: form-data; name=\"prompt\"\n\n\"quoted\"\n\
         --x\nContent-Disposition: form-data; name=\"n\"\n\n2\n\
         --x\nContent-Disposition: form-data; name=\"drop_params\"\n\ntrue\n\
         --x\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\nContent-Type: image/png\n\nabc\n\
         --x\nContent-Disposition: form-data; name=\"mask\"; filename=\"b.png\"\n\nabc\n--x--\n",
    )
    .unwrap();
    assert_eq!(parsed.model.as_deref(), Some("m"));
    let said: Value = serde_json::from_slice(parsed.form.as_ref().unwrap()).unwrap();
    assert_eq!(
        said,
        json!({"model": "m", "prompt": "\"quoted\"", "n": 2, "drop_params": true, "image": true, "mask": true})
    );
    let request = parsed.request;
    assert_eq!(request.prompt.unwrap().decoded(), "\"quoted\"");
    assert_eq!(request.options.member("n").unwrap().get(), "2");
    assert_eq!(request.options.drop_params, Some(true));
    let edit = request.edit.unwrap();
    assert_eq!(edit.images.len(), 1);
    assert!(edit.mask.is_some() && edit.style.is_none());
}

#[test]
fn images_come_as_base64_data_urls_or_addresses() {
    let body = json!({"image": ["aGk=", "data:image/png;base64,aGk="], "mask": "https://example.com/m.png"});
    let mut request = edit(&body).unwrap().request;
    assert_eq!(request.remote_media().len(), 1);
    let images = request.edit.unwrap().images;
    assert!(matches!(images[0].source, MediaSource::Base64(_)));
    assert!(matches!(images[1].source, MediaSource::DataUrl { .. }));
}

#[test]
fn members_that_are_wrong_are_named() {
    for (name, value, param) in [
        ("prompt", json!(7), "prompt"),
        ("n", json!(0), "n"),
        ("n", json!("two"), "n"),
        ("size", json!(512), "size"),
        ("stream", json!("yes"), "stream"),
        ("image", json!(7), "image"),
        ("image", json!(["aGk=", {}]), "image[1]"),
        ("image", json!(vec!["aGk="; MOST_IMAGES + 1]), "image"),
        ("mask", json!([]), "mask"),
    ] {
        let mut body = json!({"prompt": "a", "image": "aGk="});
        body[name] = value;
        let error = edit(&body).unwrap_err();
        assert_eq!(
            (error.kind(), error.param()),
            (ErrorKind::BadRequest, Some(param)),
            "{error:?}"
        );
    }
    assert_eq!(
        edit_form("--x--")
            .unwrap()
            .request
            .edit
            .unwrap()
            .images
            .len(),
        0
    );
    let error = edit_form("no boundary").unwrap_err();
    assert_eq!(error.param(), Some("request_body"));
}
