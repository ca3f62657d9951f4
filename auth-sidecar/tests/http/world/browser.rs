//! A browser without script: keeps cookies, follows redirects inside the server, fills in forms by their fields' names.

use std::collections::BTreeMap;

use super::{PASSWORD, World, encode, form_headers};

/// Cookies and nothing else.
#[derive(Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
}

/// What a browser ended up with.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
    /// Where the last redirect led, if it left the server.
    pub(crate) left_for: Option<String>,
}

/// A form of a page.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Browser {
    pub(crate) async fn get(&mut self, world: &World, path: &str) -> Page {
        self.follow(world, world.http.get(world.url(path))).await
    }

    pub(crate) async fn submit(&mut self, world: &World, form: &Form) -> Page {
        let fields: Vec<(&str, &str)> = form.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let request = world.http.post(world.url(&form.action)).headers(form_headers()).body(encode(&fields));
        self.follow(world, request).await
    }

    /// Opens the link and does what pages ask for: signs in as alice, allows. Ends where the browser leaves.
    pub(crate) async fn approve(&mut self, world: &World, path: &str) -> Page {
        self.answer(world, path, "approve").await
    }

    pub(crate) async fn answer(&mut self, world: &World, path: &str, decision: &str) -> Page {
        let mut page = self.get(world, path).await;
        if page.has_field("password") {
            page =
                self.submit(world, &page.form().with("username", "alice").with("password", PASSWORD)).await;
        }
        if page.has_field("decision") {
            page = self.submit(world, &page.form().with("decision", decision)).await;
        }
        page
    }

    pub(crate) async fn follow(&mut self, world: &World, mut request: reqwest::RequestBuilder) -> Page {
        loop {
            let response = request.header("cookie", self.cookie_line()).send().await.unwrap();
            self.keep_cookies(&response);
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            let location = headers.get("location").map(|value| value.to_str().unwrap().to_owned());
            match location {
                Some(path) if path.starts_with('/') => request = world.http.get(world.url(&path)),
                left_for => {
                    let body = response.text().await.unwrap();
                    return Page { status, headers, body, left_for };
                }
            }
        }
    }

    pub(crate) fn cookie_line(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&mut self, response: &reqwest::Response) {
        for line in response.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            match line.contains("Max-Age=0") {
                true => drop(self.cookies.remove(name)),
                false => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
    }
}

impl Page {
    /// A parameter of the URL that the browser left for.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(self.left_for.as_deref()?).unwrap();
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn has_field(&self, name: &str) -> bool {
        self.body.contains(&format!("name=\"{name}\""))
    }

    /// The first form that is posted.
    pub(crate) fn form(&self) -> Form {
        self.forms().into_iter().next().expect("a form").1
    }

    /// The forms that are posted, each with its text.
    pub(crate) fn forms(&self) -> Vec<(&str, Form)> {
        let parts = self.body.split("<form method=\"post\"").skip(1);
        let forms = parts.map(|part| {
            let (inside, _) = part.split_once("</form>").unwrap();
            let action = attribute(inside, "action").unwrap();
            let hidden = inside.split("<input").skip(1).filter(|tag| tag.contains("type=\"hidden\""));
            let fields = hidden
                .map(|tag| (attribute(tag, "name").unwrap(), attribute(tag, "value").unwrap()))
                .collect();
            (inside, Form { action, fields })
        });
        forms.collect()
    }
}

impl Form {
    pub(crate) fn field(&self, name: &str) -> String {
        self.fields.iter().find(|(key, _)| key == name).unwrap().1.clone()
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(key, _)| key != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(
        rest.split_once('"')?
            .0
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&amp;", "&")
            .replace("&#38;", "&"),
    )
}
