using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Running;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;
using Spectre.Console;

namespace Gauntlet.Harness;

/// <summary><c>gauntlet matrix show</c>: the cells of a matrix, which of them this host can run, and for suites which cases become jobs in them.</summary>
public sealed class MatrixCommands : ICommandModule
{
    public IEnumerable<Command> CreateCommands(Output output)
    {
        var matrix = new Option<string>("--matrix") { Description = "Matrix by name (matrices/NAME.yaml) or file", HelpName = "NAME|FILE", DefaultValueFactory = _ => MatrixFile.DefaultName };
        var suites = Several("--suite", "Also count the jobs of these suites (in-tree names, or paths)", "NAME|PATH");
        var vmms = Several("--vmm", "Instead of the matrix's VMMs; several with commas, here and below", "NAME[@VERSION]");
        var accels = Several("--accel", "Instead of the matrix's accelerators", "ACCEL");
        var archs = Several("--arch", "Instead of the matrix's architectures", "ARCH");
        var hostKernels = Several("--host-kernel", "Kernels under the VMM in cells of nested-linux", "PATH|PACKAGE");
        var group = new Option<string?>("--group", "-g") { Description = "Only cases of this group", HelpName = "GROUP" };
        var all = new Option<bool>("--all", "-a") { Description = "Also cases of the group 'nodefault'" };
        var pairwise = new Option<bool>("--pairwise") { Description = "Cells in which all pairs of axis values meet, instead of all cells" };
        var budget = new Option<string?>("--budget") { Description = "What a run with this --budget would take and leave out; every in-tree suite without --suite", HelpName = "TIME" };
        budget.Validators.Add(CellBudget.Check);
        var jobCount = new Option<int>("--jobs", "-j") { Description = "CPUs that the run of --budget keeps busy", DefaultValueFactory = _ => Environment.ProcessorCount };
        var results = new Option<string?>("--results") { Description = "Results store that --budget looks at: a folder, or postgres://user:password@host/database", HelpName = "DIR|URL" };
        var json = new Option<bool>("--json") { Description = "As JSON" };
        var show = new Command("show", "Print a matrix's cells, and why each skipped one is skipped") { matrix, suites, vmms, accels, archs, hostKernels, group, all, pairwise, budget, jobCount, results, json };
        show.SetAction(async (parsed, cancellation) =>
        {
            var context = SuiteContext.ForProcess(parsed.GetList(archs) is [var only] ? only : null);
            var definition = MatrixFile.Load(parsed.GetValue(matrix)!, context.TreeRoot);
            var named = parsed.GetValue(suites)!;
            var asked = parsed.GetList(archs);
            IReadOnlyList<string> ofSuites = asked.Length > 0 ? asked : definition.Archs;
            var loaded = named.Length == 0 && parsed.GetValue(budget) is null ? [] : RunPlan.LoadSuites(named.Length > 0 ? named : definition.Suites, ofSuites, context);
            // Suites that are named bring their architecture with them.
            var wanted = asked.Length > 0 || named.Length == 0 ? asked : [.. loaded.Select(suite => suite.Arch).Distinct()];
            var cells = definition.Expand(new MatrixOverrides(parsed.GetList(vmms), parsed.GetList(accels), wanted) { HostKernels = L1Supply.Kernels(parsed.GetList(hostKernels)) });
            var drivers = DriverRegistry.For(definition.Vmms);
            var statuses = await drivers.AskAsync(cells, cancellation);
            if (parsed.GetValue(pairwise))
                statuses = Pairwise.Reduce(statuses);
            var options = new JobOptions { Group = parsed.GetValue(group), All = parsed.GetValue(all), KernelRelease = JobOptions.HostKernelRelease() };
            var jobs = statuses.SelectMany(status => loaded.SelectMany(suite => JobMaker.Make(suite, status, options))).ToList();
            IReadOnlyList<BudgetedCell>? budgeted = null;
            if (parsed.GetValue(budget) is { } time)
            {
                using var store = ResultStore.Open(parsed.GetValue(results));
                budgeted = CellBudget.Choose(statuses, jobs, store, CellBudget.Parse(time), Math.Max(1, parsed.GetValue(jobCount)), await drivers.FindProgramsAsync(statuses, cancellation));
            }
            if (parsed.GetValue(json))
                PrintJson(output, definition, statuses, jobs, budgeted);
            else if (budgeted is not null)
                PrintBudget(output, definition, budgeted, Math.Max(1, parsed.GetValue(jobCount)));
            else
                Print(output, definition, statuses, cells.Count, loaded, jobs);
            return ExitCode.Success;
        });
        show.WithExample("gauntlet matrix show", "cells of the default matrix")
            .WithExample("gauntlet matrix show --matrix full --suite cpu", "and what becomes of a suite's cases in them")
            .WithExample("gauntlet matrix show --matrix full --pairwise", "fewer, in which all pairs of axis values meet")
            .WithExample("gauntlet matrix show --matrix full --budget 20m", "which are worth most, and what would be left out");
        yield return new Command("matrix", "Matrices of VMM, accelerator, architecture, machine and CPU") { show };
    }

    private static Option<string[]> Several(string name, string description, string value) => new(name)
    {
        Description = description,
        HelpName = value,
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [],
    };

    private static void PrintBudget(Output output, MatrixDefinition definition, IReadOnlyList<BudgetedCell> cells, int cpus)
    {
        var table = new Table().Border(TableBorder.Simple).Title(Markup.Escape($"matrix {definition.Name}")).AddColumns("cell", "value", "latest run", "jobs", "about", "within");
        foreach (var cell in cells)
        {
            table.AddRow(
                Markup.Escape(cell.Cell.ToString()), CellBudget.Text(cell.Value), cell.LatestUtc?.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture) ?? "–",
                cell.Jobs.ToString(CultureInfo.InvariantCulture), Markup.Escape(CellBudget.About(cell, cpus)["about ".Length..]), cell.Taken ? "[green]taken[/]" : "[yellow]left out[/]");
        }

        output.Console.Write(table);
    }

    private static void Print(Output output, MatrixDefinition definition, IReadOnlyList<CellStatus> statuses, int all, IReadOnlyList<Suite> suites, List<Job> jobs)
    {
        var table = new Table().Border(TableBorder.Simple).Title(Markup.Escape($"matrix {definition.Name}")).AddColumns("cell", "here", "why not, or the VMM's version");
        foreach (var status in statuses)
        {
            table.AddRow(
                Markup.Escape(status.Cell.ToString()), status.SkipReason is null ? "[green]runs[/]" : "[yellow]skipped[/]", Markup.Escape(status.SkipReason ?? status.FullVersion ?? ""));
        }

        output.Console.Write(table);
        if (statuses.Count < all)
            output.Out.WriteLine($"{statuses.Count} of {all} cells; every pair of axis values that meets in all meets in these");
        foreach (var note in suites.SelectMany(suite => suite.Notes))
            output.Out.WriteLine($"note: {note}");
        foreach (var suite in suites.Where(suite => jobs.TrueForAll(job => job.Suite != suite.Name)))
            output.Out.WriteLine($"{suite.Name}: no cell of the matrix is for {suite.Arch}, or no case is in the group");
        foreach (var cell in jobs.GroupBy(job => (job.Suite, job.Cell)))
        {
            var skipped = cell.Where(job => job.SkipReason is not null).ToList();
            output.Out.WriteLine($"{cell.Key.Suite} @ {cell.Key.Cell}: {cell.Count() - skipped.Count} to run, {skipped.Count} skipped");
            // The cell's own reason stands in the table.
            var status = statuses.First(candidate => candidate.Cell == cell.Key.Cell);
            foreach (var job in skipped.Where(job => job.SkipReason != status.SkipReason))
                output.Out.WriteLine($"  skip {job.Case}: {job.SkipReason}");
        }
    }

    private static void PrintJson(Output output, MatrixDefinition definition, IReadOnlyList<CellStatus> statuses, List<Job> jobs, IReadOnlyList<BudgetedCell>? budgeted)
    {
        var shown = new MatrixShown(
            1, definition.Name, definition.Source,
            [.. statuses.Select(status => new CellShown(status.Cell.ToString(), status.Cell, status.SkipReason is null, status.SkipReason, status.FullVersion))],
            jobs, budgeted);
        output.Out.WriteLine(JsonSerializer.Serialize(shown, MatrixJson.Default.MatrixShown));
    }
}

/// <summary>What <c>gauntlet matrix show --json</c> prints.</summary>
internal sealed record MatrixShown(int Schema, string Name, string Source, IReadOnlyList<CellShown> Cells, IReadOnlyList<Job> Jobs, IReadOnlyList<BudgetedCell>? Budget);

internal sealed record CellShown(string Name, Cell Cell, bool Runs, string? SkipReason, string? VmmVersion);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(MatrixShown))]
internal sealed partial class MatrixJson : JsonSerializerContext;
