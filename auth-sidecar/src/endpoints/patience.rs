//! How long may an answer take, and whose fault is it when it takes longer? Who sends a body slowly is told so (RFC 9110 section
//! 15.5.9), and counts as nothing that fails here.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::timeout;

use super::reply;
use crate::error::Failure;

/// For the whole of a request and its answer.
const LONGEST: Duration = Duration::from_secs(30);

/// A body that tells when all of it has come.
struct Watched {
    inner: Body,
    has_come: Arc<AtomicBool>,
}

/// Answers 408 where the body has not come in time, 503 where we have not answered.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    within(LONGEST, request, next).await
}

async fn within(longest: Duration, request: Request, next: Next) -> Response {
    let (parts, inner) = request.into_parts();
    let has_come = Arc::new(AtomicBool::new(inner.is_end_stream()));
    let watched = Watched { inner, has_come: Arc::clone(&has_come) };
    let request = Request::from_parts(parts, Body::new(watched));
    match timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) if has_come.load(Ordering::Relaxed) => {
            reply::failure(&Failure::Unavailable("it took too long to answer"))
        }
        Err(_) => {
            let mut response = StatusCode::REQUEST_TIMEOUT.into_response();
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

// === impl Watched ===

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.inner.is_end_stream() {
            self.has_come.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;

    /// A body of which nothing more comes.
    struct Stalled;

    impl http_body::Body for Stalled {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Pending
        }
    }

    async fn answer(path: &str, body: Body) -> Response {
        let router = Router::new()
            .route("/read", post(async |_: Bytes| "read"))
            .route("/stuck", post(async |_: Bytes| std::future::pending::<()>().await))
            .layer(from_fn(|request, next| within(Duration::from_millis(20), request, next)));
        router.oneshot(Request::post(path).body(body).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn who_is_slow_is_told_apart() {
        let done = answer("/read", "all of it".into()).await;
        assert_eq!(done.status(), StatusCode::OK);
        let slow = answer("/read", Body::new(Stalled)).await;
        assert_eq!(slow.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(slow.headers()["connection"], "close");
        for body in [Body::empty(), "all of it".into()] {
            let ours = answer("/stuck", body).await;
            assert_eq!(ours.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(ours.headers().contains_key("retry-after"));
        }
    }
}
