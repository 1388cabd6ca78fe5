using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Tests.Records;

/// <summary>Any record that the types allow, with the texts that guests and hostile patches bring.</summary>
internal static class RecordGenerators
{
    /// <summary>Well-formed Unicode with what breaks naive writers: control characters, quotes, markup, bidirectional overrides, characters beyond the first plane.</summary>
    public static Gen<string> Text { get; } =
        from runes in Gen.Frequency(
            (8, Gen.Choose(0x20, 0x7e)),
            (3, Gen.Elements('<', '>', '&', '\'', '"', '`', '$', '\\', '/', ']', '[', '%', ';', '#', '|', '*', '?', ':', ' ', '\t', '\n', '\r')
                .Select(c => (int)c)),
            (2, Gen.Choose(0, 0x1f)),
            (1, Gen.Elements(0x7f, 0x85, 0x9b, 0x202e, 0x2066, 0x2028, 0xfeff, 0xfffd, 0xfffe, 0x1f600, 0x10ffff)),
            (1, Gen.Choose(0xa0, 0x2fff))).ListOf()
        select string.Concat(runes.Select(value => new Rune(value).ToString()));

    public static Gen<string> Name { get; } = Text.Where(text => text.Length > 0);

    public static Gen<string?> Optional { get; } = Gen.OneOf(Gen.Constant<string?>(null), Text.Select(text => (string?)text));

    public static Gen<Verdict> Verdict { get; } = Gen.Elements(Enum.GetValues<Verdict>());

    public static Gen<Cell> Cell { get; } =
        from vmm in Name
        from accel in Gen.Elements("kvm", "tcg", "nested")
        from arch in Gen.Elements("x86_64", "aarch64", "riscv64")
        from machine in Optional
        from cpu in Optional
        select new Cell(vmm, accel, arch, null, machine, cpu);

    public static Gen<Job> Job { get; } =
        from suite in Name
        from @case in Name
        from cell in Cell
        from append in Optional
        from arguments in Text.ListOf()
        from variable in Name
        from value in Text
        from skip in Optional
        from convention in Gen.Elements(Enum.GetValues<GuestConvention>())
        from repetition in Gen.Choose(1, 3)
        from timeout in Gen.Choose(0, 1000)
        select new Job
        {
            Suite = suite,
            Case = @case,
            Cell = cell,
            Image = "/" + @case,
            Append = append,
            VmmArguments = arguments.ToArray(),
            Environment = new Dictionary<string, string> { [variable] = value },
            SkipReason = skip,
            Convention = convention,
            Repetition = repetition,
            TimeoutSeconds = timeout / 8.0,
        };

    public static Gen<Subtest> Subtest { get; } =
        from name in Text
        from verdict in Verdict
        from detail in Optional
        select new Subtest(name, verdict, detail);

    public static Gen<Attempt> Attempt { get; } =
        from command in Text.NonEmptyListOf()
        from verdict in Verdict
        from reason in Optional
        from subtests in Subtest.ListOf()
        from status in Gen.OneOf(Gen.Constant<int?>(null), Gen.Choose(0, 255).Select(s => (int?)s))
        from ticks in Gen.Choose(0, int.MaxValue)
        from measure in Name
        from number in Gen.Choose(-1000, 1000)
        from folder in Optional
        select new Attempt
        {
            CommandLine = command.ToArray(),
            StartedUtc = Samples.Noon.AddTicks(ticks),
            Verdict = verdict,
            Reason = reason,
            Subtests = subtests.ToArray(),
            ExitStatus = status,
            Measurements = new Dictionary<string, double> { [measure] = number / 16.0 },
            WorkingDirectory = folder,
            CpuSeconds = ticks / 1024.0,
            WallSeconds = ticks / 512.0,
        };

    public static Gen<JobResult> Result { get; } =
        from job in Job
        from verdict in Verdict
        from reason in Optional
        from flaky in Gen.Elements(true, false)
        from attempts in Gen.Resize(Attempt.ListOf(), 3)
        select new JobResult { Job = job, Verdict = verdict, Reason = reason, Flaky = flaky, Attempts = attempts.ToArray() };

    /// <summary>Results of one run: no job twice.</summary>
    public static Gen<IReadOnlyList<JobResult>> Results { get; } =
        from results in Gen.Resize(Result.ListOf(), 8)
        select (IReadOnlyList<JobResult>)results.DistinctBy(r => (r.Job.Key.Replace('\0', '\uFFFD'), r.Job.Repetition)).ToArray();
}
