//! Empty: nobody builds this driver here.
