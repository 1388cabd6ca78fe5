using Gauntlet.Pipelines.Checks.Fixing;
using Gauntlet.Pipelines.Checks.Inputs;
using Gauntlet.Pipelines.Checks.Output;
using Gauntlet.Pipelines.Checks.Parsing;
using Gauntlet.Pipelines.Checks.Rules;
using Gauntlet.Pipelines.Checks.Rules.Safety;
using Gauntlet.Pipelines.Checks.Rules.Series;
using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks;

/// <summary>Checks inputs one after the other, several at once where order does not matter, and reports them in order.</summary>
internal sealed class CheckRun(CheckOptions options, CheckSetup setup)
{
    /// <summary>Patches that are read and held at a time.</summary>
    private const int BatchSize = 64;

    /// <summary>Fewer are not worth starting threads for.</summary>
    private const int MinParallel = 4;

    /// <summary>Reports all inputs; false when one does not pass.</summary>
    public bool Run(IEnumerable<PatchInput> inputs, IReport report)
    {
        var passed = true;
        var legacyTypes = options.Legacy ? new TypeMatcher(setup.Dialect) : null;
        var legacyRules = options.Legacy ? setup.CreateRules() : null;
        foreach (var batch in inputs.Chunk(options.Series ? int.MaxValue : BatchSize))
        {
            var patches = new CheckedPatch[batch.Length];
            if (legacyRules is not null)
            {
                // What a patch teaches about types holds for those after it.
                for (var i = 0; i < batch.Length; i++)
                    patches[i] = Check(batch[i], legacyRules, legacyTypes!);
            }
            else if (batch.Length < MinParallel)
            {
                var rules = setup.CreateRules();
                for (var i = 0; i < batch.Length; i++)
                    patches[i] = Check(batch[i], rules, new TypeMatcher(setup.Dialect));
            }
            else
            {
                CheckInParallel(batch, patches);
            }
            if (options.Series)
                patches = SeriesRules.Check(patches, setup.Selection, CreateSeriesContext());
            for (var i = 0; i < batch.Length; i++)
            {
                if (batch[i].Announcement is { } announcement)
                    report.Announce(ByteText.FromDisplay(announcement));
                report.Add(patches[i]);
                if (options.Fix)
                    WriteFixed(patches[i], batch[i], report);
                passed &= patches[i].Passes(setup.WarningsFail) || IsSilent(patches[i]);
            }
        }
        report.End();
        return passed;
    }

    private SeriesContext CreateSeriesContext()
    {
        var git = new GitCommits(options.Folder);
        return new SeriesContext
        {
            SubjectOf = options.Tree && git.IsRepository() ? git.SubjectOf : null,
            Maintainers = setup.ReadMaintainers(),
        };
    }

    /// <summary>Writes the fixed patch beside the patch, when anything could be fixed.</summary>
    private static void WriteFixed(CheckedPatch patch, PatchInput input, IReport report)
    {
        var text = PatchFixer.Fix(patch, out var changed);
        if (changed == 0)
            return;
        var path = input.Name + ".fixed";
        try
        {
            File.WriteAllBytes(path, ByteText.Encode(text));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckException($"cannot write the fixed patch {path}: {e.Message}", CheckException.Environment);
        }
        report.Announce(ByteText.FromDisplay($"Wrote {path}: {changed} lines fixed; read it before you send it."));
    }

    /// <summary>Not a patch, and none was promised.</summary>
    private bool IsSilent(CheckedPatch patch) => patch.Lines.Count == 0 || (!options.MustBePatch && !patch.IsPatch && patch.NotChecked is null);

    private void CheckInParallel(PatchInput[] batch, CheckedPatch[] patches)
    {
        var next = -1;
        Exception? failure = null;
        void Work()
        {
            var rules = setup.CreateRules();
            try
            {
                for (int i; (i = Interlocked.Increment(ref next)) < batch.Length;)
                    patches[i] = Check(batch[i], rules, new TypeMatcher(setup.Dialect));
            }
            catch (CheckException e)
            {
                Interlocked.CompareExchange(ref failure, e, null);
            }
        }
        var threads = new Thread[Math.Min(Environment.ProcessorCount, batch.Length) - 1];
        for (var i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(Work);
            threads[i].Start();
        }
        Work();
        foreach (var thread in threads)
            thread.Join();
        if (failure is not null)
            throw failure;
    }

    private CheckedPatch Check(PatchInput input, RuleSet rules, TypeMatcher types)
    {
        var bytes = input.Read();
        var message = input.WholeFile || options.Legacy ? new ReadMessage(ByteText.Decode(bytes), null) : MailReader.Read(bytes);
        var lines = new TextLines(message.Text);
        var scan = new PatchScan(lines, types, setup.Selection)
        {
            WholeFile = input.WholeFile,
            MaxLineLength = setup.MaxLineLength,
            Root = setup.Root,
            Spelling = setup.Spelling,
            ConstStructures = setup.ConstStructures,
            HasCommit = setup.HasCommit,
        };
        var document = options.Legacy || input.WholeFile ? null : PatchParser.Parse(message.Text);
        // A mode, an empty file, a binary one: a patch without hunks is one too.
        scan.IsPatch = document?.Files.Count > 0;
        rules.Walk(scan, new WalkOptions
        {
            RequireSignOff = options.SignOff && !input.WholeFile,
            MustBePatch = options.MustBePatch || input.WholeFile,
            IsCoverLetter = input.Name.EndsWith("cover-letter.patch", StringComparison.Ordinal) || (!options.Legacy && PatchSubject.Of(lines) is { Number: 0, Total: > 0 }),
            Legacy = options.Legacy,
        });
        if (document is not null)
            SafetyRules.Check(document, setup.Selection, scan.Findings);
        var findings = setup.Finish(scan.Findings, options.TestOnly);
        return new CheckedPatch(
            ByteText.FromDisplay(input.Name),
            ByteText.FromDisplay(input.DisplayName),
            lines,
            input.WholeFile,
            findings,
            scan.CheckedLines,
            scan.IsPatch,
            message.NotChecked);
    }
}
