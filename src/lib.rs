//! logagent
