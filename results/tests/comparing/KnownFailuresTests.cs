using FsCheck.Fluent;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;
using Gauntlet.Results.Tests.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Tests.Comparing;

public sealed class KnownFailuresTests
{
    private static readonly DateOnly Today = new(2026, 11, 20);
    private static readonly Dictionary<string, string> Host = new() { ["kvm"] = "software" };

    [Theory]
    [InlineData(Verdict.Fail, Verdict.KnownFail)]
    [InlineData(Verdict.Timeout, Verdict.KnownFail)]
    [InlineData(Verdict.Crash, Verdict.KnownFail)]
    [InlineData(Verdict.Pass, Verdict.UnexpectedPass)]
    [InlineData(Verdict.Skip, Verdict.Skip)]
    [InlineData(Verdict.InfraError, Verdict.InfraError)]
    [InlineData(Verdict.UnexpectedPass, Verdict.UnexpectedPass)]
    public void A_case_that_is_known_to_fail(Verdict was, Verdict becomes)
    {
        var list = Parse("""
              - suite: smoke
                case: pag*
                cell: {vmm: qemu, accel: tcg}
                host: {kvm: soft*}
                reason: erratum
                owner: ann
                expires: 2027-06-30
            """);
        var result = list.Apply(Samples.Result(Samples.Job("paging"), was), Host, Today);
        Assert.Equal(becomes, result.Verdict);
        Assert.Equal(becomes, result.Attempts[^1].Verdict);
        if (was != becomes)
            Assert.Contains("erratum (ann, until 2027-06-30; known.yaml:3)", result.Reason);
    }

    [Theory]
    [InlineData("suite: smoke\n    case: other")]
    [InlineData("suite: smok\n    case: paging")]
    [InlineData("suite: smoke\n    case: paging\n    cell: {accel: kvm}")]
    [InlineData("suite: smoke\n    case: paging\n    cell: {machine: q35}")]
    [InlineData("suite: smoke\n    case: paging\n    host: {kvm: hardware}")]
    [InlineData("suite: smoke\n    case: paging\n    host: {memory: '?*'}")]
    public void What_an_entry_does_not_name_counts_as_ever_and_the_entry_is_reported(string where)
    {
        var list = Parse($"  - {where}\n    reason: r\n    owner: o\n");
        var failed = Samples.Result(Samples.Job("paging"), Verdict.Fail);
        Assert.Same(failed, list.Apply(failed, Host, Today));
        Assert.Equal(["known.yaml:3"], list.Unmatched.Select(e => e.Source));
    }

    [Theory]
    [InlineData("[{vmm: gvmm}, {vmm: qemu, accel: t?g}]", true)]
    [InlineData("[{vmm: gvmm}, {vmm: qemu, accel: kvm}]", false)]
    [InlineData("[]", true)]
    public void One_of_several_cells_must_match(string cells, bool concerned)
    {
        var list = Parse($"  - {{suite: smoke, case: paging, cell: {cells}, reason: r, owner: o}}\n");
        Assert.Equal(concerned ? Verdict.KnownFail : Verdict.Fail, list.Apply(Samples.Result(Samples.Job("paging"), Verdict.Fail), Host, Today).Verdict);
    }

    [Fact]
    public void What_brings_down_more_than_its_vmm_is_known_as_an_infra_error_too()
    {
        var list = Parse("  - {suite: smoke, case: paging, reason: r, owner: o, infra: true}\n  - {suite: smoke, case: paging, subtest: x, reason: s, owner: o}\n");
        var result = list.Apply(Samples.Result(Samples.Job("paging"), Verdict.InfraError), Host, Today);
        Assert.Equal(Verdict.KnownFail, result.Verdict);
        Assert.StartsWith("known: r (o; known.yaml:3); it was infra-error", result.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void An_entry_that_something_came_under_is_not_reported()
    {
        var list = Parse("  - {suite: smoke, case: a, reason: r, owner: o}\n");
        list.Apply(Samples.Result(Samples.Job("a"), Verdict.Skip), Host, Today);
        Assert.Single(list.Unmatched);
        list.Apply(Samples.Result(Samples.Job("a"), Verdict.Fail), Host, Today);
        Assert.Empty(list.Unmatched);
    }

    [Fact]
    public void An_entry_excuses_until_the_day_before_it_expires_and_then_says_so()
    {
        var list = Parse("  - {suite: smoke, case: a, reason: r, owner: o, expires: 2026-11-20}\n");
        var failed = Samples.Result(Samples.Job("a"), Verdict.Fail);
        Assert.Equal(Verdict.KnownFail, list.Apply(failed, Host, Today.AddDays(-1)).Verdict);

        var late = list.Apply(failed, Host, Today);
        Assert.Equal(Verdict.Fail, late.Verdict);
        Assert.Contains("no longer excused", late.Reason);
        Assert.Equal(Verdict.Pass, list.Apply(Samples.Result(Samples.Job("a"), Verdict.Pass), Host, Today).Verdict);
    }

    [Fact]
    public void A_case_fails_as_known_only_when_all_its_failing_subtests_are_known()
    {
        var list = Parse("  - {suite: smoke, case: a, subtest: 'PKRU *', reason: r, owner: o}\n");
        var both = list.Apply(WithSubtests(Verdict.Fail, ("PKRU read", Verdict.Fail), ("other", Verdict.Fail)), Host, Today);
        Assert.Equal(Verdict.Fail, both.Verdict);
        Assert.Equal([Verdict.KnownFail, Verdict.Fail], both.Attempts[0].Subtests.Select(s => s.Verdict));

        var only = list.Apply(WithSubtests(Verdict.Fail, ("PKRU read", Verdict.Fail), ("PKRU write", Verdict.Pass), ("other", Verdict.Pass)), Host, Today);
        Assert.Equal(Verdict.KnownFail, only.Verdict);
        Assert.Equal([Verdict.KnownFail, Verdict.Pass, Verdict.Pass], only.Attempts[0].Subtests.Select(s => s.Verdict));
    }

    [Theory]
    [InlineData(Verdict.Crash)]
    [InlineData(Verdict.Timeout)]
    [InlineData(Verdict.Fail)]
    public void A_known_subtest_does_not_excuse_what_it_does_not_explain(Verdict verdict)
    {
        var list = Parse("  - {suite: smoke, case: a, subtest: known, reason: r, owner: o}\n");
        var subtest = ("known", verdict == Verdict.Fail ? Verdict.Pass : Verdict.Fail);
        Assert.Equal(verdict, list.Apply(WithSubtests(verdict, subtest), Host, Today).Verdict);
    }

    [Fact]
    public void A_known_subtest_that_passes_makes_the_case_an_unexpected_pass()
    {
        var list = Parse("  - {suite: smoke, case: a, subtest: known, reason: r, owner: o}\n");
        var result = list.Apply(WithSubtests(Verdict.Pass, ("known", Verdict.Pass), ("other", Verdict.Pass)), Host, Today);
        Assert.Equal(Verdict.UnexpectedPass, result.Verdict);
        Assert.Equal([Verdict.UnexpectedPass, Verdict.Pass], result.Attempts[0].Subtests.Select(s => s.Verdict));
        Assert.Contains("known.yaml:3", result.Reason);
    }

    [Fact]
    public void What_fails_only_at_times_may_pass()
    {
        var list = Parse("  - {suite: smoke, case: a, reason: r, owner: o, intermittent: true}\n");
        Assert.Equal(Verdict.Pass, list.Apply(Samples.Result(Samples.Job("a"), Verdict.Pass), Host, Today).Verdict);
        Assert.Equal(Verdict.KnownFail, list.Apply(Samples.Result(Samples.Job("a"), Verdict.Timeout), Host, Today).Verdict);
    }

    [Fact]
    public void A_known_failure_that_passes_when_tried_again_is_still_the_known_failure()
    {
        var list = Parse("  - {suite: smoke, case: a, reason: r, owner: o}\n");
        var flaky = Samples.Result(Samples.Job("a"), Verdict.Pass) with { Flaky = true, Attempts = [Samples.Attempt(Verdict.Fail), Samples.Attempt(Verdict.Pass)] };
        var result = list.Apply(flaky, Host, Today);
        Assert.Equal(Verdict.KnownFail, result.Verdict);
        Assert.True(result.Flaky);
    }

    [Theory]
    [InlineData("", "known.yaml:1: ")]
    [InlineData("schema: 2\nfailures: []", "known.yaml:1: has schema 2")]
    [InlineData("schema: 1\nfailure: []", "known.yaml:2: unknown key 'failure'")]
    [InlineData("schema: 1\nfailures:\n- suite: a\n  case: b\n  reason: r", "known.yaml:3: 'owner' is missing")]
    [InlineData("schema: 1\nfailures:\n- suite: a\n  case: b\n  owner: o", "known.yaml:3: 'reason' is missing")]
    [InlineData("schema: 1\nfailures:\n- case: b\n  owner: o\n  reason: r", "known.yaml:3: 'suite' is missing")]
    [InlineData("schema: 1\nfailures:\n- suite: a\n  case: b\n  owner: o\n  reason: r\n  expires: soon", "known.yaml:7: 'expires' must be a day")]
    [InlineData("schema: 1\nfailures:\n- suite: a\n  case: b\n  owner: o\n  reason: r\n  expires: 2027-02-30", "known.yaml:7: 'expires' must be a day")]
    [InlineData("schema: 1\nfailures:\n- suite: a\n  case: b\n  owner: o\n  reason: r\n  cell: {vm: qemu}", "known.yaml:7: unknown key 'vm'")]
    [InlineData("schema: 1\nfailures:\n- suite: a\n  case: b\n  owner: o\n  reason: r\n  subtest: ''", "known.yaml:7: 'subtest' is empty")]
    [InlineData("schema: 1\nfailures:\n- text", "known.yaml:3: ")]
    [InlineData("schema: 1\nfailures:\n  - {suite: a", "known.yaml:")]
    [InlineData("schema: 1\nfailures: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "known.yaml:")]
    public void A_malformed_list_is_refused_with_file_and_line(string text, string message) =>
        Assert.StartsWith(message, Assert.Throws<UserException>(() => KnownFailures.Parse(text, "known.yaml")).Message);

    [Fact]
    public void A_missing_list_says_which() =>
        Assert.Contains("/nowhere/known.yaml", Assert.Throws<UserException>(() => KnownFailures.Load("/nowhere/known.yaml")).Message);

    [Fact]
    public void Whatever_the_file_holds_it_is_read_or_refused()
    {
        var pieces = Gen.Elements(
            "schema: 1\n", "failures:\n", "- suite: a\n", "  case: \"*\"\n", "  reason: r\n", "  owner: o\n", "  expires: 2027-01-01\n", "  cell: {vmm: q}\n",
            "  host:\n", "    kvm: x\n", "  subtest: >\n", "  &a b", "*a", "[", "]", "{", "}", "\t", "\0", "!!int", "? ", "%YAML 9", "---\n", "...\n", "\"\\U00110000\"", "'", "|", "\u2028");
        var texts = from list in pieces.ListOf() select string.Concat(list);
        Prop.ForAll(texts.ToArbitrary(), text =>
        {
            try
            {
                KnownFailures.Parse(text, "f");
            }
            catch (UserException e)
            {
                Assert.StartsWith("f:", e.Message);
            }
        }).Holds(1000);
    }

    [Fact]
    public void Nothing_that_is_not_in_the_list_changes() => Prop.ForAll(RecordGenerators.Result.ToArbitrary(), result =>
    {
        var list = Parse("  - {suite: no such suite, case: '*', reason: r, owner: o}\n");
        Assert.Same(result, list.Apply(result, Host, Today));
    }).Holds();

    [Fact]
    public void A_list_never_hides_a_failure_that_no_entry_names_and_never_makes_a_pass() => Prop.ForAll(RecordGenerators.Result.ToArbitrary(), result =>
    {
        var list = new KnownFailures([new KnownFailure { Suite = "*", Case = "*", Subtest = "a*", Reason = "r", Owner = "o", Source = "s" }]);
        var after = list.Apply(result, Host, Today);
        Assert.True(after.Verdict != Verdict.Pass || result.Verdict == Verdict.Pass);
        Assert.Equal(
            result.Attempts.SelectMany(a => a.Subtests).Where(s => !s.Name.StartsWith('a')),
            after.Attempts.SelectMany(a => a.Subtests).Where(s => !s.Name.StartsWith('a')));
    }).Holds();

    private static KnownFailures Parse(string entries) => KnownFailures.Parse("schema: 1\nfailures:\n" + entries, "known.yaml");

    private static JobResult WithSubtests(Verdict verdict, params (string Name, Verdict Verdict)[] subtests)
    {
        var result = Samples.Result(Samples.Job("a"), verdict);
        return result with { Attempts = [result.Attempts[0] with { Subtests = subtests.Select(s => new Subtest(s.Name, s.Verdict)).ToArray() }] };
    }
}
