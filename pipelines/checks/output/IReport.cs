namespace Gauntlet.Pipelines.Checks.Output;

/// <summary>Takes checked patches in order and writes them in some format.</summary>
internal interface IReport
{
    /// <summary>A line that says what is checked next; formats for programs leave it out.</summary>
    void Announce(string text);

    void Add(CheckedPatch patch);

    /// <summary>Writes what is left. Called once, after the last patch.</summary>
    void End();
}
