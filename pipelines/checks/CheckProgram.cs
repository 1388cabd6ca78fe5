using Gauntlet.Pipelines.Checks.Inputs;
using Gauntlet.Pipelines.Checks.Output;

namespace Gauntlet.Pipelines.Checks;

/// <summary>
/// <c>gauntlet check</c> without the command-line library: it parses its own options, so that a single patch is checked in the time in which others start.
/// </summary>
public static class CheckProgram
{
    /// <summary>Exit code when all passed.</summary>
    public const int Passed = 0;

    /// <summary>Exit code when something was found, or could not be checked.</summary>
    public const int Failed = 1;

    /// <summary>Runs <c>gauntlet check</c> with the arguments after <c>check</c>.</summary>
    /// <returns>0 when nothing was found (or only what does not fail), 1 when something was, 2 when the arguments or inputs are wrong, 3 for the environment.</returns>
    public static int Main(string[] args)
    {
        using var output = Console.OpenStandardOutput();
        try
        {
            return Run(args, output);
        }
        catch (CheckException e)
        {
            using var error = Console.OpenStandardError();
            error.Write(System.Text.Encoding.UTF8.GetBytes($"gauntlet check: {e.Message}\n"));
            return e.ExitCode;
        }
        catch (IOException e) when (IsClosedPipe(e))
        {
            // Whoever read has seen enough.
            return Failed;
        }
    }

    /// <summary>The same, to any stream; throws <see cref="CheckException"/> for errors of use.</summary>
    public static int Run(string[] args, Stream output)
    {
        var options = CheckArguments.Parse(args);
        if (options.Help)
            return Print(output, CheckHelp.Text + "\n");
        if (options.Manual)
            return Print(output, RuleManual.Markdown());
        if (options.ListTypes)
            return Print(output, RuleManual.List(CheckSetup.From(options).CreateRules()));
        if (options.Explain is { } explained)
            return Print(output, RuleManual.Explain(CheckSetup.From(options).CreateRules(), explained));
        var kind = DetectKind(options);
        if (options.Fix && (kind != InputKind.Patches || options.Inputs.Contains("-")))
            throw new CheckException("--fix writes PATCH.fixed beside each patch file; give patch files, not a range, whole files or standard input");
        // What is staged has no log yet that could be signed.
        options = options with { Kind = kind, MustBePatch = kind is InputKind.Patches, SignOff = options.SignOff && kind != InputKind.Staged };
        var setup = CheckSetup.From(options);
        var inputs = kind switch
        {
            InputKind.Range => options.Inputs.SelectMany(range => new GitCommits(options.Folder).OfRange(range, options)),
            InputKind.Staged => [new GitCommits(options.Folder).Staged()],
            _ => InputFiles.Open(options, kind == InputKind.Files),
        };
        return new CheckRun(options, setup).Run(inputs, CreateReport(output, options, setup)) ? Passed : Failed;
    }

    private static IReport CreateReport(Stream output, CheckOptions options, CheckSetup setup) => options.Format switch
    {
        ReportFormat.Json => new JsonReport(output, setup.RuleSetName),
        ReportFormat.Sarif => new SarifReport(output, setup.CreateRules()),
        ReportFormat.GitHub => new GitHubReport(output),
        ReportFormat.GitLab => new GitLabReport(output),
        _ => new TextReport(output, options with { Strict = setup.Strict }, linux: setup.RuleSetName == "linux"),
    };

    private static int Print(Stream output, string text)
    {
        output.Write(System.Text.Encoding.UTF8.GetBytes(text));
        return Passed;
    }

    private static InputKind DetectKind(CheckOptions options)
    {
        if (options.Kind != InputKind.Detect)
            return options.Kind;
        var first = options.Inputs[0];
        // A path may have two dots too.
        if (first.IndexOf("..", StringComparison.Ordinal) > 0 && (options.Legacy || !File.Exists(first)))
            return InputKind.Range;
        string[] sources = [".h", ".c", ".h.inc", ".c.inc", ".cpp", ".s", ".S", ".pl", ".py", ".sh"];
        return Array.Exists(sources, suffix => first.EndsWith(suffix, StringComparison.Ordinal)) ? InputKind.Files : InputKind.Patches;
    }

    private static bool IsClosedPipe(IOException exception) => exception.Message.Contains("Broken pipe", StringComparison.Ordinal);
}
