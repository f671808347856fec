//! The scripts that come with the program, how scripts are read, and that each expectation can fail.

mod book;
