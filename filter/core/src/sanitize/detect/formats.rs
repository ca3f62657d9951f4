//! Which tokens say by their beginning whose they are? One row per prefix, each from its issuer's public documents.

/// What may stand in a token behind its prefix.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// Letters and digits.
    Alphanumeric,
    /// Letters, digits, `_`.
    Word,
    /// Letters, digits, `_`, `-`.
    Base64Url,
    /// The same with dots.
    Dotted,
    /// Lower-case hexadecimal digits.
    Hex,
    /// Upper-case Base32, as AWS uses it.
    Base32,
    /// Letters, digits, `-`.
    Dashed,
}

/// How a candidate is told from a placeholder.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// It looks random.
    Random,
    /// Its last six characters are the CRC-32 of those before, in base 62; else it looks random.
    Crc32,
    /// Random, and of letters of both cases and digits: the prefix alone says little.
    Mixed,
}

/// Tokens with one prefix.
pub(super) struct Format {
    pub(super) prefix: &'static str,
    pub(super) body: Body,
    /// How long the body is, at least and at most.
    pub(super) length: (usize, usize),
    pub(super) check: Check,
}

// === impl Body ===

impl Body {
    pub(super) const fn holds(self, byte: u8) -> bool {
        match self {
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Base64Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Self::Dashed => byte.is_ascii_alphanumeric() || byte == b'-',
        }
    }
}

const fn format(prefix: &'static str, body: Body, length: (usize, usize), check: Check) -> Format {
    Format { prefix, body, length, check }
}

/// What has no upper bound in its issuer's documents ends here.
const LONG: usize = 4096;

/// All of them.
pub(super) const FORMATS: &[Format] = &[
    // AWS, "Understanding unique ID prefixes" of the IAM user guide.
    format("AKIA", Body::Base32, (16, 16), Check::Random),
    format("ASIA", Body::Base32, (16, 16), Check::Random),
    format("ABIA", Body::Base32, (16, 16), Check::Random),
    format("ACCA", Body::Base32, (16, 16), Check::Random),
    // Google Cloud: API keys, OAuth client secrets, OAuth access tokens.
    format("AIza", Body::Base64Url, (35, 35), Check::Random),
    format("GOCSPX-", Body::Base64Url, (28, 28), Check::Random),
    format("ya29.", Body::Dotted, (20, LONG), Check::Random),
    // GitHub, "Behind GitHub's new authentication token formats"; those of installations are some 520 characters, with dots.
    format("ghp_", Body::Alphanumeric, (36, 36), Check::Crc32),
    format("gho_", Body::Alphanumeric, (36, 36), Check::Crc32),
    format("ghu_", Body::Alphanumeric, (36, 36), Check::Crc32),
    format("ghs_", Body::Dotted, (36, LONG), Check::Crc32),
    format("ghr_", Body::Alphanumeric, (36, 76), Check::Crc32),
    format("github_pat_", Body::Word, (82, 82), Check::Random),
    // GitLab, "Token overview": prefixes; newer ones hold dots.
    format("glpat-", Body::Dotted, (20, 300), Check::Random),
    format("gldt-", Body::Dotted, (20, 300), Check::Random),
    format("glrt-", Body::Dotted, (20, 300), Check::Random),
    format("glptt-", Body::Hex, (40, 40), Check::Random),
    format("glcbt-", Body::Dotted, (20, 300), Check::Random),
    format("gloas-", Body::Hex, (64, 64), Check::Random),
    format("glsoat-", Body::Dotted, (20, 300), Check::Random),
    format("glagent-", Body::Base64Url, (50, 300), Check::Random),
    // Slack, "Token types".
    format("xoxb-", Body::Dashed, (24, LONG), Check::Random),
    format("xoxp-", Body::Dashed, (24, LONG), Check::Random),
    format("xoxa-", Body::Dashed, (24, LONG), Check::Random),
    format("xoxr-", Body::Dashed, (24, LONG), Check::Random),
    format("xoxs-", Body::Dashed, (24, LONG), Check::Random),
    format("xoxe-", Body::Dashed, (24, LONG), Check::Random),
    format("xoxe.", Body::Dotted, (24, LONG), Check::Random),
    format("xapp-", Body::Dashed, (24, LONG), Check::Random),
    // Stripe, "API keys" and "Webhook signatures".
    format("sk_live_", Body::Alphanumeric, (16, 247), Check::Random),
    format("sk_test_", Body::Alphanumeric, (16, 247), Check::Random),
    format("rk_live_", Body::Alphanumeric, (16, 247), Check::Random),
    format("rk_test_", Body::Alphanumeric, (16, 247), Check::Random),
    format("whsec_", Body::Alphanumeric, (32, 64), Check::Random),
    // Models: OpenAI, Anthropic, OpenRouter and others share a beginning; Groq, xAI, Hugging Face, Replicate, Perplexity.
    format("sk-or-v1-", Body::Hex, (64, 64), Check::Random),
    format("sk-", Body::Base64Url, (32, 256), Check::Mixed),
    format("gsk_", Body::Alphanumeric, (52, 52), Check::Random),
    format("xai-", Body::Alphanumeric, (80, 80), Check::Random),
    format("hf_", Body::Alphanumeric, (34, 40), Check::Random),
    format("r8_", Body::Alphanumeric, (37, 37), Check::Random),
    format("pplx-", Body::Alphanumeric, (48, 56), Check::Random),
    // Packages: npm ("npm has a new access token format"), PyPI (a macaroon), RubyGems, crates.io, Docker.
    format("npm_", Body::Alphanumeric, (36, 36), Check::Crc32),
    format("pypi-AgEIcHlwaS5vcmc", Body::Base64Url, (50, LONG), Check::Random),
    format("rubygems_", Body::Hex, (48, 48), Check::Random),
    format("dckr_pat_", Body::Base64Url, (27, 36), Check::Random),
    // Clouds and tools.
    format("SG.", Body::Dotted, (66, 66), Check::Mixed),
    format("dop_v1_", Body::Hex, (64, 64), Check::Random),
    format("doo_v1_", Body::Hex, (64, 64), Check::Random),
    format("dor_v1_", Body::Hex, (64, 64), Check::Random),
    format("dapi", Body::Hex, (32, 32), Check::Random),
    format("hvs.", Body::Base64Url, (24, LONG), Check::Random),
    format("hvb.", Body::Base64Url, (100, LONG), Check::Random),
    format("shpat_", Body::Alphanumeric, (32, 32), Check::Random),
    format("shpss_", Body::Alphanumeric, (32, 32), Check::Random),
    format("shpca_", Body::Alphanumeric, (32, 32), Check::Random),
    format("shppa_", Body::Alphanumeric, (32, 32), Check::Random),
    format("sq0atp-", Body::Base64Url, (22, 22), Check::Random),
    format("sq0csp-", Body::Base64Url, (43, 43), Check::Random),
    format("dp.pt.", Body::Alphanumeric, (43, 44), Check::Random),
    format("lin_api_", Body::Alphanumeric, (40, 40), Check::Random),
    format("ntn_", Body::Alphanumeric, (43, 50), Check::Random),
    format("glsa_", Body::Word, (41, 41), Check::Random),
    format("NRAK-", Body::Alphanumeric, (27, 27), Check::Random),
    format("PMAK-", Body::Dashed, (59, 59), Check::Random),
    format("pscale_tkn_", Body::Dotted, (32, 64), Check::Random),
    format("pscale_pw_", Body::Dotted, (32, 64), Check::Random),
    format("ATATT3", Body::Base64Url, (150, LONG), Check::Random),
    format("AGE-SECRET-KEY-1", Body::Alphanumeric, (58, 58), Check::Random),
    format("sbp_", Body::Hex, (40, 40), Check::Random),
    format("sb_secret_", Body::Base64Url, (31, 64), Check::Random),
    format("figd_", Body::Base64Url, (38, 64), Check::Random),
    format("tskey-", Body::Dashed, (20, 80), Check::Random),
    format("sntrys_", Body::Base64Url, (60, LONG), Check::Random),
    format("sntryu_", Body::Hex, (64, 64), Check::Random),
];
