using System.Diagnostics;
using System.Text;
using Gauntlet.Fuzz.Commands;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Bisecting;
using Gauntlet.Harness.Building;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Tests.Engine;

/// <summary>The commit since which an input fails, with a shell script for the program that each commit is built to.</summary>
public sealed class FuzzBisectTests : IDisposable
{
    private const string Passes = "echo 'inb 0x70  # 0x0'; echo 'nothing is wrong'", Fails = "echo 'inb 0x70  # 0x0'; echo 'FormatException I8254.Write'; echo '   at I8254.Write()'; exit 1";

    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-bisect-tests-").FullName;

    public FuzzBisectTests()
    {
        Directory.CreateDirectory(Checkout);
        Git("init", "-q", "-b", "main");
    }

    private string Checkout => Path.Combine(_folder, "checkout");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_commit_that_broke_it_is_found_past_one_that_has_no_such_target()
    {
        var good = Commit(Passes, "first");
        Commit(Passes, "second");
        Commit("echo '\"pit\" is no fuzz target' >&2; exit 2", "renames the target for a while");
        Commit(Passes, "names it back");
        var culprit = Commit(Fails, "culprit");
        Commit(Fails, "on top");

        var result = await SearchAsync(good, "HEAD");

        Assert.Equal([culprit], result.Candidates);
        Assert.True(result.Certain);
        Assert.Contains(result.Steps, step => step is { Verdict: StepVerdict.Bad, Reason: "FormatException I8254.Write" });
    }

    [Fact]
    public async Task An_end_that_is_not_what_it_is_said_to_be_is_told_with_what_it_did()
    {
        var good = Commit(Passes, "first");
        Commit(Fails, "culprit");
        var same = await Assert.ThrowsAsync<UserException>(() => SearchAsync("HEAD", "HEAD"));
        Assert.Contains("nothing between", same.Message, StringComparison.Ordinal);

        Commit(Passes, "mended");
        var mended = await Assert.ThrowsAsync<UserException>(() => SearchAsync(good, "HEAD"));
        Assert.Contains("given as --bad, is good", mended.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_fails_at_times_is_not_good_and_makes_the_answer_doubtful()
    {
        var good = Commit(Passes, "first");
        // Fails every second time, in a folder that the test gives it.
        Commit($"if mkdir '{_folder}/once' 2>/dev/null; then {Fails}; else rmdir '{_folder}/once'; fi", "flaky");

        var result = await SearchAsync(good, "HEAD", repetitions: 2);

        Assert.Equal(StepVerdict.Flaky, result.Steps[^1].Verdict);
        Assert.Contains("failed 1 of 2 times: FormatException", result.Steps[^1].Reason, StringComparison.Ordinal);
        Assert.False(result.Certain);
    }

    [Theory]
    [InlineData(1, "", "Unrecognized command", StepVerdict.Skipped, "Unrecognized command")]
    [InlineData(1, "ArgumentException A.B\n   at A.B()\n", "", StepVerdict.Bad, "ArgumentException A.B")]
    [InlineData(3, "", "no SDK\nhere", StepVerdict.Skipped, "here")]
    [InlineData(0, "nothing is wrong\n", "", StepVerdict.Good, null)]
    public void Only_a_finding_is_bad(int status, string said, string complained, StepVerdict verdict, string? reason) =>
        Assert.Equal((verdict, reason), ReproTrial.Judge(Exit(status, null, LimitHit.None, said, complained)));

    [Fact]
    public void A_process_that_dies_or_does_not_end_is_bad_and_one_that_somebody_killed_says_nothing()
    {
        var died = ReproTrial.Judge(Exit(null, 6, LimitHit.None, "", "Stack overflow.\n   at A.B()\n"));
        Assert.Equal((StepVerdict.Bad, "its process dies of SIGABRT: Stack overflow."), died);
        Assert.Equal(StepVerdict.Bad, ReproTrial.Judge(Exit(null, 9, LimitHit.CpuTime, "", "")).Verdict);
        Assert.Equal(StepVerdict.Bad, ReproTrial.Judge(Exit(null, 9, LimitHit.Memory, "", "")).Verdict);
        Assert.Equal(StepVerdict.Skipped, ReproTrial.Judge(Exit(null, 9, LimitHit.None, "", "")).Verdict);
    }

    [Fact]
    public void Bytes_of_a_device_program_are_handed_on_as_text_and_all_else_as_it_is()
    {
        using var target = TargetCatalogue.Create("isa-serial");
        var program = ProgramText.Parse("program 1\noutb 0x3fb 0x80\ninb 0x3f8\n");
        var (bytes, text, image) = (Path.Combine(_folder, "bytes"), Path.Combine(_folder, "text"), Path.Combine(_folder, "image"));
        File.WriteAllBytes(bytes, ProgramBytes.Encode(program, target.Grammar!));
        File.WriteAllText(text, "# kept\nprogram 1\ninb 0x3f8\n");
        File.WriteAllBytes(image, [0x51, 0x46, 0x49, 0xfb]);

        Assert.Equal(ProgramText.Format(program), Prepared("isa-serial", bytes));
        Assert.Equal(File.ReadAllText(text), Prepared("isa-serial", text));
        Assert.Equal(Convert.ToHexString(File.ReadAllBytes(image)), Convert.ToHexString(Encoding.Latin1.GetBytes(Prepared("qcow2", image))));
        Assert.Contains("no fuzz target", Assert.Throws<UserException>(() => Prepared("nonesuch", text)).Message, StringComparison.Ordinal);
    }

    private string Prepared(string target, string input)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, Path.GetRandomFileName())).FullName;
        return File.ReadAllText(FuzzBisect.Prepare(target, input, folder), Encoding.Latin1);
    }

    private async Task<BisectResult> SearchAsync(string good, string bad, int repetitions = 1)
    {
        using var launcher = new AttemptLauncher();
        var source = new CommandSource("gauntlet", Checkout, [], "gauntlet");
        var trial = new ReproTrial(source, new BuildCache(Path.Combine(_folder, "builds")), launcher, "pit", "/input", repetitions);
        return await new BisectSearch(new CommitHistory(new GitSource(Checkout)), trial.TryAsync).RunAsync(good, bad, CancellationToken.None);
    }

    private string Commit(string script, string title)
    {
        var path = Path.Combine(Checkout, "gauntlet");
        File.WriteAllText(path, $"#!/bin/sh\n# {title}\n[ \"$*\" = 'fuzz repro pit /input' ] || exit 9\n{script}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Git("add", "-A");
        Git("commit", "-q", "-m", title);
        return Git("rev-parse", "HEAD");
    }

    private string Git(params string[] arguments)
    {
        var start = new ProcessStartInfo("git", ["-C", Checkout, "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", .. arguments]) { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return text.Trim();
    }

    private static AttemptExit Exit(int? status, int? signal, LimitHit limit, string said, string complained) => new(
        status, signal, limit, default, default, 0, Kept(said), Kept(complained), new Dictionary<string, string>());

    private static KeptOutput Kept(string text) => new(Encoding.UTF8.GetBytes(text), text.Length);
}
