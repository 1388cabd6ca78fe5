using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Running;

/// <summary>What a run sets out to do: its jobs, and what VMMs they are for.</summary>
internal sealed record RunPlan(IReadOnlyList<Job> Jobs, DriverRegistry Drivers, IReadOnlyList<CellStatus> Cells, IReadOnlyList<string> Notes)
{
    /// <summary>What the run may take; null: all that it needs.</summary>
    public TimeBudget? Time { get; init; }

    /// <summary>Makes the plan from the command line.</summary>
    /// <exception cref="UserException">A suite, a matrix or a pattern cannot be understood, or nothing is left to do.</exception>
    public static async Task<RunPlan> MakeAsync(ParseResult line, RunOptions options, IStore store, IAttemptLauncher launcher, CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        var archs = line.GetList(options.Arch);
        var context = SuiteContext.ForProcess(archs.Length == 1 ? archs[0] : null);
        var matrix = MatrixFile.Load(line.GetValue(options.Matrix)!, context.TreeRoot);
        var suites = LoadSuites(line.GetValue(options.Suite) is { Length: > 0 } named ? named : matrix.Suites, archs.Length > 0 ? archs : matrix.Archs, context);
        var kernels = L1Supply.Kernels(line.GetList(options.HostKernel));
        var accels = kernels.Count > 0 && line.GetResult(options.Accel) is null ? [L1Supply.Accel] : Accels(line.GetList(options.Accel), context);
        var cells = matrix.Expand(new MatrixOverrides(line.GetList(options.Vmm), accels, archs.Length > 0 ? archs : Archs(suites, matrix)) { HostKernels = kernels, Guests = line.GetList(options.Guest) });
        var guests = await GuestSuites.BuildAsync(cells, context, cancellation);
        var drivers = DriverRegistry.For(matrix.Vmms, launcher);
        var statuses = await drivers.AskAsync(cells, cancellation);
        var notes = suites.SelectMany(suite => suite.Notes.Select(note => $"{suite.Name}: {note}")).ToList();
        if (line.GetValue(options.Pairwise))
        {
            statuses = Pairwise.Reduce(statuses);
            notes.Add($"--pairwise: {statuses.Count} of {cells.Count} cells");
        }
        var jobs = MakeJobs(line, options, suites, guests, statuses, store);
        jobs = Choose(line, options, jobs, store);
        TimeBudget? limit = null;
        if (line.GetValue(options.Budget) is { } budget)
        {
            var (time, cpus) = (CellBudget.Parse(budget), line.GetValue(options.Jobs));
            var valued = CellBudget.Choose(statuses, jobs, store, time, cpus, await drivers.FindProgramsAsync(statuses, cancellation));
            jobs = CellBudget.Keep(valued, jobs);
            notes.AddRange(CellBudget.Notes(valued, time, cpus));
            if (valued.Count > 0)
            {
                limit = new TimeBudget(
                    () => Stopwatch.GetElapsedTime(start) >= time, [.. valued.Where(cell => cell.Taken).Select(cell => cell.Cell)], $"the budget of {budget} was spent before it could start");
            }
        }
        return new RunPlan(jobs, drivers, statuses, notes) { Time = limit };
    }

    /// <summary>The plan that an interrupted run had.</summary>
    /// <exception cref="UserException">The matrix is not to be had any more, or is another one than the run's.</exception>
    public static async Task<RunPlan> OfRunAsync(ParseResult line, RunOptions options, IReadOnlyList<Job> jobs, IAttemptLauncher launcher, CancellationToken cancellation)
    {
        var matrix = MatrixFile.Load(line.GetValue(options.Matrix)!, SourceTree.Find());
        var drivers = DriverRegistry.For(matrix.Vmms, launcher);
        // Else its jobs would be skipped, and the run repaired into one that did nothing.
        if (jobs.FirstOrDefault(job => drivers.Find(job.Cell.Vmm) is null) is { } unknown)
            throw new UserException($"The run has jobs for the VMM '{unknown.Cell.Vmm}', which the matrix '{matrix.Name}' does not declare; give the run's own with --matrix.");
        return new RunPlan(jobs, drivers, await drivers.AskAsync([.. jobs.Select(job => job.Cell).Distinct()], cancellation), []);
    }

    /// <summary>Sortable by time, unique by chance: <c>20261120-231501-4f2a</c>.</summary>
    public static string NewRunId(DateTime utc) =>
        string.Create(CultureInfo.InvariantCulture, $"{utc:yyyyMMdd-HHmmss}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(2))}");

    /// <summary>Suites as named, else every in-tree one.</summary>
    /// <param name="archs">Empty: the context's.</param>
    public static IReadOnlyList<Suite> LoadSuites(IReadOnlyList<string> named, IReadOnlyList<string> archs, SuiteContext context)
    {
        if (named.Count > 0)
            return [.. named.SelectMany(name => SuiteLoader.LoadFor(name, archs, context))];
        var inTree = archs.Count == 0 ? SuiteLoader.LoadInTree(null, context) : [.. archs.SelectMany(arch => SuiteLoader.LoadInTree(arch, context))];
        return inTree.Count > 0 ? inTree : throw new UserException("There is no in-tree suite for this architecture; name one with --suite.");
    }

    /// <summary>The suites' architectures, in the matrix's order; those that it does not have come too, for the user named the suite.</summary>
    private static IReadOnlyList<string> Archs(IReadOnlyList<Suite> suites, MatrixDefinition matrix)
    {
        var wanted = suites.Select(suite => suite.Arch).Distinct().ToList();
        var known = matrix.Archs;
        return [.. known.Where(wanted.Contains), .. wanted.Where(arch => !known.Contains(arch))];
    }

    /// <summary>As named; else the one of kvm-unit-tests' ACCEL, which may carry properties behind a comma.</summary>
    private static IReadOnlyList<string> Accels(string[] named, SuiteContext context) =>
        named.Length > 0 ? named
        : context.Variables.GetValueOrDefault("ACCEL") is { Length: > 0 } accel ? [accel.Split(',')[0]]
        : [];

    private static List<Job> MakeJobs(
        ParseResult line, RunOptions options, IReadOnlyList<Suite> suites, GuestSuites guests, IReadOnlyList<CellStatus> statuses, IStore store)
    {
        var timeout = line.GetValue(options.TimeoutSeconds) is { } seconds ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;
        var jobOptions = new JobOptions
        {
            Group = line.GetValue(options.Group),
            All = line.GetValue(options.All),
            Timeout = timeout,
            KernelRelease = JobOptions.HostKernelRelease(),
        };
        var timings = timeout is null ? store.GetTimings() : new Dictionary<string, JobTiming>();
        var repeat = line.GetValue(options.Repeat);
        var jobs = new List<Job>();
        foreach (var suite in suites.Concat(guests.All))
        {
            var unlimited = suite.Cases.Where(testCase => testCase.Timeout is null).Select(testCase => testCase.Name).ToHashSet(StringComparer.Ordinal);
            foreach (var job in statuses.Where(status => guests.Takes(status.Cell, suite)).SelectMany(status => JobMaker.Make(suite, status, jobOptions)))
            {
                var timed = unlimited.Contains(job.Case) ? job with { TimeoutSeconds = JobOrder.TimeoutSeconds(job, timings) } : job;
                for (var repetition = 1; repetition <= repeat; repetition++)
                    jobs.Add(timed with { Repetition = repetition });
            }
        }
        return jobs;
    }

    private static List<Job> Choose(ParseResult line, RunOptions options, List<Job> jobs, IStore store)
    {
        if (jobs.Count == 0)
            throw new UserException("No suite has a case for any cell of the matrix: check --arch, --group and the matrix (gauntlet matrix show).");
        string[] only = [.. line.GetValue(options.Tests) ?? [], .. line.GetValue(options.Only) ?? []];
        foreach (var pattern in only.Select(text => (Text: text, Pattern: new JobPattern(text))).ToList())
        {
            if (!jobs.Exists(pattern.Pattern.Matches))
                throw new UserException($"No case matches '{pattern.Text}'; gauntlet run --list shows what there is.");
        }
        if (only.Length > 0)
        {
            var patterns = only.Select(text => new JobPattern(text)).ToList();
            jobs = jobs.FindAll(job => patterns.Exists(pattern => pattern.Matches(job)));
        }
        var skips = (line.GetValue(options.Skip) ?? []).Select(text => new JobPattern(text)).ToList();
        jobs.RemoveAll(job => skips.Exists(pattern => pattern.Matches(job)));
        if (line.GetResult(options.RerunFailed) is not null)
        {
            var run = FindRun(store, line.GetValue(options.RerunFailed));
            var failed = store.GetResults(run.Id).Where(result => result.Verdict.IsFailure() || result.Verdict == Verdict.InfraError).Select(result => result.Job.Key).ToHashSet();
            jobs.RemoveAll(job => !failed.Contains(job.Key));
            if (failed.Count == 0)
                throw new UserException($"Nothing failed in run {run.Id}: there is nothing to run again.");
        }
        if (line.GetValue(options.Shard) is { } part)
        {
            var shard = Shard.Parse(part);
            jobs.RemoveAll(job => !shard.Holds(job));
        }
        return jobs;
    }

    /// <exception cref="UserException">There is none.</exception>
    public static Run FindRun(IStore store, string? id) => store.FindRun(id ?? "latest")
        ?? throw new UserException(id is null ? $"There is no run in {store.Location} yet." : $"There is no run '{id}' in {store.Location}; gauntlet results list shows what there is.");
}
