#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Reads a line and answers with it, the process and the time.
use strict;
use POSIX ();
use Socket ();

$| = 1;
my $line = <STDIN>;
exit 1 unless defined $line;
chomp $line;
printf "%s %d %s\n", $line, $$, POSIX::strftime('%H:%M:%S', localtime);
