#!/usr/bin/perl
# Drives Perl's Net::FTP: net_ftp_client.pl SPECIFICATION
#
# The specification is JSON: host, port, user, password, passive, security, authority, steps. A step is a list: the name of a
# function below, and its arguments. What a function returns is printed; the dialogue goes to standard error. Names are bytes.
use strict;
use warnings;
use JSON::PP;
use Net::FTP;

my $spec = JSON::PP->new->utf8->decode($ARGV[0]);
my $implicit = $spec->{security} eq 'implicit';
my $ftp = Net::FTP->new(
    $spec->{host}, Port => $spec->{port}, Passive => $spec->{passive} ? 1 : 0, Timeout => 20, Debug => 1,
    $spec->{security} eq 'plain' ? () : (SSL => $implicit, SSL_ca_file => $spec->{authority})
) or die "cannot connect: $@\n";

sub checked { my ($what, $ok) = @_; die "$what: " . $ftp->message . "\n" unless $ok; return; }
sub listed { my ($what, @lines) = @_; checked($what, $ftp->ok); return join("\n", @lines); }

my %functions = (
    mkdir    => sub { checked('mkdir', $ftp->mkdir(@_)) },
    mkpath   => sub { checked('mkdir', $ftp->mkdir($_[0], 1)) },
    put      => sub { checked('put', $ftp->put(@_)) },
    append   => sub { checked('append', $ftp->append(@_)) },
    unique   => sub { checked('put_unique', $ftp->put_unique(@_)); return 'unique name: ' . $ftp->unique_name },
    get      => sub { checked('get', $ftp->get(@_)) },
    resume   => sub { my ($name, $file) = @_; checked('get', $ftp->get($name, $file, -s $file)) },
    names    => sub { listed('ls', $ftp->ls) },
    list     => sub { listed('dir', $ftp->dir) },
    rename   => sub { checked('rename', $ftp->rename(@_)) },
    remove   => sub { checked('delete', $ftp->delete(@_)) },
    rmdir    => sub { checked('rmdir', $ftp->rmdir(@_)) },
    rmtree   => sub { checked('rmdir', $ftp->rmdir($_[0], 1)) },
    size     => sub { return 'size: ' . ($ftp->size(@_) // 'none') },
    mdtm     => sub { return 'mdtm: ' . ($ftp->mdtm(@_) // 'none') },
    supports => sub { return "$_[0]: " . ($ftp->supported(@_) ? 'yes' : 'no') },
);

checked('starttls', $ftp->starttls) if $spec->{security} eq 'explicit';
checked('login', $ftp->login($spec->{user}, $spec->{password}));
# In implicit TLS it protects data connections without a PROT, which RFC 4217 section 9 does not know.
checked('prot', $ftp->prot('P')) if $implicit;
checked('binary', $ftp->binary);
for my $step (@{ $spec->{steps} }) {
    my ($function, @about) = @{$step};
    utf8::encode($_) for @about;
    my $answer = $functions{$function}->(@about);
    print "$answer\n" if defined $answer and !ref $answer and $answer ne '';
}
$ftp->quit;
