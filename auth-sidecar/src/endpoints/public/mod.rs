//! What do clients and browsers ask? OAuth.

mod account;
mod aliases;
mod assets;
mod authorize;
mod browser;
mod client_configuration;
mod consent;
mod device;
mod device_authorization;
mod introspect;
mod login;
mod logout;
mod metadata;
mod par;
mod register;
mod revoke;
mod token;
mod upstream;
mod userinfo;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, header};
use axum::routing::{MethodRouter, get, post};

use super::layers;
use crate::app::Context;
use crate::oauth::metadata as documents;

/// The routes of the public listener: the metadata where the RFCs put it, all else below the issuer's path.
pub(crate) fn router(context: Arc<Context>) -> Router {
    let paths = documents::paths(&context.config);
    let mut routes = Router::new().route(&paths.oauth, readable(get(metadata::authorization_server)));
    for path in &paths.openid {
        routes = routes.route(path, readable(get(metadata::openid_configuration)));
    }
    let below = context.config.issuer.path().to_owned();
    for (path, endpoint) in endpoints(&context) {
        routes = routes.route(&format!("{below}{path}"), endpoint);
    }
    layers::wrap(routes, context, "public")
}

fn endpoints(context: &Context) -> Vec<(&'static str, MethodRouter<Arc<Context>>)> {
    let userinfo = get(userinfo::any).post(userinfo::any);
    let userinfo = userinfo.layer(layers::cross_origin(&[Method::GET, Method::POST]));
    let mut endpoints = vec![
        ("/jwks", readable(get(metadata::jwks))),
        // Where verifiers look that read no metadata.
        ("/.well-known/jwks.json", readable(get(metadata::jwks))),
        ("/authorize", page(get(authorize::get).post(authorize::post), "GET, POST")),
        (par::PATH, postable(post(par::post))),
        ("/login", get(login::get).post(login::post)),
        ("/consent", page(get(consent::get).post(consent::post), "GET, POST")),
        ("/account", page(get(account::get).post(account::post), "GET, POST")),
        (logout::PATH, page(get(logout::get).post(logout::post), "GET, POST")),
        ("/token", postable(post(token::post))),
        ("/revoke", postable(post(revoke::post))),
        ("/auth/refresh", postable(post(aliases::refresh))),
        ("/auth/logout", postable(post(aliases::logout))),
        ("/introspect", post(introspect::post)),
        ("/userinfo", userinfo),
        ("/device_authorization", postable(post(device_authorization::post))),
        ("/device", get(device::get).post(device::post)),
        ("/assets/style.css", get(assets::style)),
        ("/register/{client_id}", client_configuration()),
    ];
    if !context.config.identity_providers.is_empty() {
        endpoints.push(("/signin/{provider}", get(upstream::get).post(upstream::post)));
        endpoints.push(("/callback/{provider}", page(get(upstream::callback), "GET")));
    }
    if context.config.registration.is_offered() {
        endpoints.push(("/register", postable(post(register::post))));
    }
    endpoints
}

/// There even where nobody can register any more: those who have must be able to leave.
fn client_configuration() -> MethodRouter<Arc<Context>> {
    get(client_configuration::get)
        .put(client_configuration::put)
        .delete(client_configuration::delete)
        .layer(layers::cross_origin(&[Method::GET, Method::PUT, Method::DELETE]))
}

/// What a get does here is more than to read: it begins something, or ends it. Whoever looks with HEAD whether a link is good, such
/// as a program that shows previews of them, must not do that.
fn page(route: MethodRouter<Arc<Context>>, allowed: &'static str) -> MethodRouter<Arc<Context>> {
    route.head(async move || (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allowed)]))
}

fn readable(route: MethodRouter<Arc<Context>>) -> MethodRouter<Arc<Context>> {
    route.layer(layers::cross_origin(&[Method::GET]))
}

fn postable(route: MethodRouter<Arc<Context>>) -> MethodRouter<Arc<Context>> {
    route.layer(layers::cross_origin(&[Method::POST]))
}
